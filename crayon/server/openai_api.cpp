#include "crayon/server/openai_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>

#include "crayon/base/error.h"
#include "crayon/server/internal/answers.h"
#include "crayon/server/internal/entry.h"
#include "crayon/server/internal/generation.h"
#include "crayon/server/internal/requests.h"
#include "crayon/session/scoring.h"

namespace crayon {

using server::AnswerHead;
using server::ApiRequest;
using server::Entry;
using server::Generation;
using server::Usage;

namespace {

constexpr int kCompletionTokens = 16;  // of /v1/completions without max_tokens, as the API has it

std::int64_t now_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

std::uint64_t any_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

const char* name_of(FinishReason reason) {
  return reason == FinishReason::Length ? "length" : "stop";
}

ServerResponse json(std::string body) { return {.body = std::move(body)}; }

}  // namespace

struct OpenAiApi::Shared {
  Shared(const Model& m, EngineQueue& q, OpenAiApiOptions o)
      : model(m), queue(q), options(std::move(o)), started(now_seconds()) {}

  [[nodiscard]] ServerResponse answer(const ApiRequest& request, const ServerRequest& http);
  [[nodiscard]] ServerResponse write(const ApiRequest& request, const ServerRequest& http,
                                     Entry& entry);
  [[nodiscard]] ServerResponse stream(const ApiRequest& request,
                                      std::shared_ptr<Generation> generation, Entry& entry);
  [[nodiscard]] ServerResponse choose(const ApiRequest& request, const ServerRequest& http,
                                      Entry& entry);
  [[nodiscard]] std::function<bool()> cancelled(const ServerRequest& http) const;
  [[nodiscard]] std::string prompt_of(const ApiRequest& request) const;
  [[nodiscard]] GenerateOptions generate_options(const ApiRequest& request) const;
  [[nodiscard]] AnswerHead head(const ApiRequest& request);
  void check_model(const std::string& name) const;

  const Model& model;
  EngineQueue& queue;
  const OpenAiApiOptions options;
  const std::int64_t started;
  std::atomic<std::uint64_t> answers = 0;
};

void OpenAiApi::Shared::check_model(const std::string& name) const {
  if (name.empty() || name == options.model_name) return;
  throw Error(ErrorCode::NotFound,
              fmt::format("field 'model' names a model that is not served here; expected '{}'",
                          options.model_name));
}

std::function<bool()> OpenAiApi::Shared::cancelled(const ServerRequest& http) const {
  return [this, gone = http.disconnected] {
    return gone() || (options.stopping && options.stopping());
  };
}

std::string OpenAiApi::Shared::prompt_of(const ApiRequest& request) const {
  return request.chat ? model.apply_chat_template(request.messages) : request.prompt;
}

GenerateOptions OpenAiApi::Shared::generate_options(const ApiRequest& request) const {
  GenerateOptions out;
  const int unsaid = request.chat ? options.context_tokens : kCompletionTokens;
  out.max_tokens = request.max_tokens.value_or(unsaid);
  out.temperature = static_cast<float>(request.temperature);
  out.top_p = static_cast<float>(request.top_p);
  out.seed = request.seed ? *request.seed : any_seed();
  out.stop = request.stop;
  out.top_log_probs = request.top_log_probs;
  return out;
}

AnswerHead OpenAiApi::Shared::head(const ApiRequest& request) {
  const auto id = fmt::format("{}-{:x}-{}", request.chat ? "chatcmpl" : "cmpl", started, ++answers);
  return {request.chat, id, options.model_name, now_seconds(), request.log_probs};
}

ServerResponse OpenAiApi::Shared::answer(const ApiRequest& request, const ServerRequest& http) {
  check_model(request.model);
  Entry entry(options.books, request, http);
  ServerResponse response =
      request.guided_choice.empty() ? write(request, http, entry) : choose(request, http, entry);
  response.headers.merge(entry.headers());
  return response;
}

// What the engine refuses comes out here, before the first byte: with its status, streamed or not.
ServerResponse OpenAiApi::Shared::write(const ApiRequest& request, const ServerRequest& http,
                                        Entry& entry) {
  auto generation = std::make_shared<Generation>(queue, prompt_of(request),
                                                 generate_options(request), cancelled(http));
  generation->wait_for_first();
  if (request.stream) return stream(request, std::move(generation), entry);
  std::string text;
  std::vector<GeneratedToken> tokens;
  while (auto token = generation->next()) {
    text += token->text;
    entry.take(*token);
    tokens.push_back(std::move(*token));
  }
  const auto& end = generation->result();
  entry.finish({end.prompt_tokens, tokens.size()});
  return json(server::whole_answer(head(request), text, tokens, name_of(end.finish),
                                   {end.prompt_tokens, tokens.size()}));
}

ServerResponse OpenAiApi::Shared::stream(const ApiRequest& request,
                                         std::shared_ptr<Generation> generation, Entry& entry) {
  ServerResponse response;
  response.stream = [generation = std::move(generation), head = head(request),
                     with_usage = request.include_usage, entry](const SendEvent& send) mutable {
    if (head.chat && !send(server::role_chunk(head))) return;
    std::size_t tokens = 0;
    std::size_t offset = 0;
    while (const auto token = generation->next()) {
      ++tokens;
      entry.take(*token);
      if (token->text.empty() && !head.log_probs) continue;  // part of a character
      if (!send(server::piece_chunk(head, *token, offset))) return;
      offset += token->text.size();
    }
    const auto& end = generation->result();
    entry.finish({end.prompt_tokens, tokens});
    if (!send(server::finish_chunk(head, name_of(end.finish)))) return;
    if (with_usage && !send(server::usage_chunk(head, {end.prompt_tokens, tokens}))) return;
    send("[DONE]");
  };
  return response;
}

ServerResponse OpenAiApi::Shared::choose(const ApiRequest& request, const ServerRequest& http,
                                         Entry& entry) {
  ScoreRequest asked;
  asked.prompt = {prompt_of(request), request.guided_choice, 0, 0};
  ScoreResult scored;
  const auto gone = cancelled(http);
  queue.run([&](Engine& engine) {
    if (!gone()) scored = engine.score(asked, EmbeddingSpec{});
  });
  if (scored.choices.empty()) throw Error(ErrorCode::Unavailable, "the answer was cancelled");
  const auto best = std::max_element(
      scored.choices.begin(), scored.choices.end(),
      [](const auto& a, const auto& b) { return a.mean_log_prob() < b.mean_log_prob(); });
  const auto index = static_cast<std::size_t>(best - scored.choices.begin());
  const Usage usage{scored.prompt_tokens, static_cast<std::size_t>(best->tokens)};
  entry.take_scores(mean_log_probs(scored));
  entry.finish(usage);
  auto about = head(request);
  about.log_probs = false;  // a choice is scored as a whole
  const auto& text = request.guided_choice[index];
  if (!request.stream) return json(server::whole_answer(about, text, {}, "stop", usage));
  ServerResponse response;
  response.stream = [about, text, usage,
                     with_usage = request.include_usage](const SendEvent& send) {
    GeneratedToken whole;
    whole.text = text;
    if (about.chat && !send(server::role_chunk(about))) return;
    if (!send(server::piece_chunk(about, whole, 0))) return;
    if (!send(server::finish_chunk(about, "stop"))) return;
    if (with_usage && !send(server::usage_chunk(about, usage))) return;
    send("[DONE]");
  };
  return response;
}

OpenAiApi::OpenAiApi(const Model& model, EngineQueue& queue, OpenAiApiOptions options)
    : shared_(std::make_shared<Shared>(model, queue, std::move(options))) {}

void OpenAiApi::add_routes(HttpServer& server) const {
  const auto shared = shared_;
  server.route("POST", "/v1/chat/completions", [shared](const ServerRequest& request) {
    return shared->answer(server::parse_chat(request.body), request);
  });
  server.route("POST", "/v1/completions", [shared](const ServerRequest& request) {
    return shared->answer(server::parse_completion(request.body), request);
  });
  server.route("GET", "/v1/models", [shared](const ServerRequest&) {
    return json(server::model_list(shared->options.model_name, shared->started));
  });
  server.route("GET", "/health", [](const ServerRequest&) { return json(R"({"status":"ok"})"); });
}

}  // namespace crayon
