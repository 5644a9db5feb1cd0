#include "crayon/remote/internal/answer_stream.h"

#include <fmt/format.h>

#include "crayon/base/error.h"
#include "crayon/base/text.h"

namespace crayon {

void AnswerStream::say(std::string_view piece) {
  if (piece.empty()) return;
  in_caller_ = true;
  cancelled_ = !on_text_(piece);
  in_caller_ = false;
}

bool AnswerStream::event(std::string_view data) {
  say(reader_.take(data));
  return !cancelled_ && !reader_.done();
}

bool AnswerStream::feed(std::string_view bytes) {
  if (form_ == Form::Unknown) {
    const auto begin = trimmed(bytes);
    if (begin.empty()) return true;
    // No event begins so, but JSON and a web page do.
    form_ = begin.front() == '{' || begin.front() == '<' ? Form::Json : Form::Events;
  }
  if (form_ == Form::Json) {
    body_.append(bytes);
    return true;
  }
  return parser_.feed(bytes, [this](std::string_view data) { return event(data); });
}

bool AnswerStream::whole() const { return reader_.done() || reader_.finished(); }

RemoteAnswer AnswerStream::finish() {
  if (form_ == Form::Json) {
    auto answer = wire::parse_answer(body_, origin_);
    say(answer.text);
    if (cancelled_) answer.finish_reason = "cancelled";
    return answer;
  }
  if (cancelled_) {
    reader_.answer().finish_reason = "cancelled";
  } else if (!whole()) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: the streamed answer broke off after {} bytes of text", origin_,
                            reader_.answer().text.size()));
  }
  return std::move(reader_.answer());
}

}  // namespace crayon
