// A streamed answer put together from the bytes of its body.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crayon/http/client.h"
#include "crayon/remote/internal/wire.h"

namespace crayon {

/// Takes server-sent events; also a whole JSON answer, as some servers send whatever is asked.
class AnswerStream {
 public:
  /// @param sent  what no message may repeat; borrowed
  AnswerStream(const std::string& origin, std::vector<std::string_view> sent, OnText on_text)
      : origin_(origin),
        reader_(origin, std::move(sent)),
        on_text_(std::move(on_text)),
        parser_(kLongestEvent, origin) {}

  /// A piece of the body; false when the answer is whole or the caller cancelled.
  /// @throws Error  an error event, or what is not the API's; what on_text throws
  bool feed(std::string_view bytes);
  /// The answer, when the body has ended or feed() said so.
  /// @throws Error Unavailable  it broke off; CorruptFile  not the API's
  [[nodiscard]] RemoteAnswer finish();

  /// on_text is running: what is thrown then is the caller's.
  [[nodiscard]] bool in_caller() const { return in_caller_; }
  /// Everything of the answer came, even if its connection then broke.
  [[nodiscard]] bool whole() const;
  [[nodiscard]] RemoteAnswer& so_far() { return reader_.answer(); }

 private:
  enum class Form { Unknown, Events, Json };
  static constexpr std::size_t kLongestEvent = 4u << 20;

  bool event(std::string_view data);
  void say(std::string_view piece);

  std::string origin_;
  wire::StreamReader reader_;
  OnText on_text_;
  SseParser parser_;
  Form form_ = Form::Unknown;
  std::string body_;  // of form Json
  bool cancelled_ = false;
  bool in_caller_ = false;
};

}  // namespace crayon
