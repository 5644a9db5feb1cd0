#include "crayon/server/internal/source.h"

#include "crayon/base/error.h"

namespace crayon::server {
namespace {

class DeviceSource : public AnswerSource {
 public:
  DeviceSource(std::shared_ptr<Generation> generation, std::vector<GeneratedToken> held)
      : generation_(std::move(generation)), held_(held.begin(), held.end()) {}

  std::optional<GeneratedToken> next() override {
    std::optional<GeneratedToken> token;
    if (!held_.empty()) {
      token = std::move(held_.front());
      held_.pop_front();
    } else {
      token = generation_->next();
    }
    if (token) ++tokens_;
    return token;
  }
  void abandon() override { generation_->cancel(); }
  [[nodiscard]] AnswerEnd end() const override {
    const Generated result = generation_->result();
    return {.finish = result.finish == FinishReason::Length ? "length" : "stop",
            .usage = {result.prompt_tokens, tokens_}};
  }

 private:
  std::shared_ptr<Generation> generation_;
  std::deque<GeneratedToken> held_;
  std::size_t tokens_ = 0;
};

class ServerSource : public AnswerSource {
 public:
  ServerSource(std::unique_ptr<ServerCall> call, std::vector<std::string> stops)
      : call_(std::move(call)), cutter_(std::move(stops)) {}

  std::optional<GeneratedToken> next() override {
    while (!ended_ && !cutter_.stopped()) {
      const auto piece = call_->next();
      ended_ = !piece.has_value();
      streamed_ = streamed_ || piece.has_value();
      // A call that was not streamed has its text in the reply.
      const std::string text = piece || streamed_ ? piece.value_or("") : call_->reply().answer.text;
      GeneratedToken out;
      out.text = cutter_.take(text, ended_);
      if (!out.text.empty()) return out;
    }
    if (cutter_.stopped() && !ended_) abandon();
    return std::nullopt;
  }
  void abandon() override {
    call_->enough();
    ended_ = true;
  }
  [[nodiscard]] AnswerEnd end() const override {
    const ServerDoor::Reply reply = call_->reply();
    const auto tokens = [](int n) { return static_cast<std::size_t>(n < 0 ? 0 : n); };
    const bool length = reply.answer.finish_reason == "length" && !cutter_.stopped();
    return {.finish = length ? "length" : "stop",
            .usage = {tokens(reply.answer.prompt_tokens), tokens(reply.answer.completion_tokens)},
            .money = reply.money};
  }

 private:
  std::unique_ptr<ServerCall> call_;
  StopCutter cutter_;
  bool streamed_ = false;
  bool ended_ = false;
};

}  // namespace

std::shared_ptr<AnswerSource> device_source(std::shared_ptr<Generation> generation,
                                            std::vector<GeneratedToken> held) {
  return std::make_shared<DeviceSource>(std::move(generation), std::move(held));
}

std::shared_ptr<AnswerSource> server_source(std::unique_ptr<ServerCall> call,
                                            std::vector<std::string> stops) {
  return std::make_shared<ServerSource>(std::move(call), std::move(stops));
}

}  // namespace crayon::server
