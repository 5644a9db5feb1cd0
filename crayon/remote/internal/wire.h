// The JSON of the OpenAI-compatible API as a client reads and writes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crayon/remote/remote.h"

namespace crayon::wire {

/// What the body of a request holds.
struct Ask {
  std::string model;
  const std::vector<ChatMessage>* messages = nullptr;  ///< Of a chat; else `prompt` is used.
  std::string prompt;
  ChatOptions options;
  bool stream = false;
  bool usage = true;  ///< Ask a stream for its usage.
};
[[nodiscard]] std::string request_body(const Ask& ask);
/// The user's texts in it; borrowed from `ask`.
[[nodiscard]] std::vector<std::string_view> texts_of(const Ask& ask);

/// Reads a whole answer. @throws Error CorruptFile  with `origin` and what was found
[[nodiscard]] RemoteAnswer parse_answer(std::string_view body, const std::string& origin);

/// Reads the names in the answer of /v1/models. @throws Error CorruptFile
[[nodiscard]] std::vector<std::string> parse_models(std::string_view body,
                                                    const std::string& origin);

/// The message in an error body, at most 300 bytes on one line; only the error's type or code where
/// the message repeats a part of the texts that were `sent`, as some servers do: those are to be in
/// no message of ours. "" when there is none.
[[nodiscard]] std::string error_message(std::string_view body,
                                        const std::vector<std::string_view>& sent = {});

/// Puts a streamed answer together.
class StreamReader {
 public:
  /// @param sent  as for error_message(); borrowed
  explicit StreamReader(std::string origin, std::vector<std::string_view> sent = {})
      : origin_(std::move(origin)), sent_(std::move(sent)) {}

  /// Takes one event's data and returns the text that it adds.
  /// @throws Error Unavailable  an error event; CorruptFile  not the API's
  std::string take(std::string_view data);
  [[nodiscard]] bool done() const { return done_; }  ///< [DONE] came.
  /// A finish_reason came; the usage may still follow.
  [[nodiscard]] bool finished() const { return !answer_.finish_reason.empty(); }
  /// So far. Its completion tokens are the pieces that came, or a third of their bytes where that
  /// is more (a piece may hold many; what a model thinks aloud counts too), until the server says
  /// the number.
  [[nodiscard]] RemoteAnswer& answer() { return answer_; }

 private:
  std::string origin_;
  std::vector<std::string_view> sent_;
  RemoteAnswer answer_;
  int pieces_ = 0;
  std::size_t bytes_ = 0;
  bool done_ = false;
};

}  // namespace crayon::wire
