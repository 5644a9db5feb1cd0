#include "crayon/server/internal/answers.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

namespace crayon::server {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// JSON knows no infinity: the API's servers write a very small number.
double finite(float log_prob) { return std::isfinite(log_prob) ? log_prob : -9999.0; }

Json bytes_of(std::string_view text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

Json chat_token(const TokenChoice& token) {
  return {
      {"token", token.text}, {"logprob", finite(token.log_prob)}, {"bytes", bytes_of(token.text)}};
}

Json chat_log_probs(std::span<const GeneratedToken> tokens) {
  Json content = Json::array();
  for (const auto& token : tokens) {
    Json entry = chat_token(token);
    entry["top_logprobs"] = Json::array();
    for (const auto& other : token.top) entry["top_logprobs"].push_back(chat_token(other));
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}};
}

// Two tokens may have the same text: the more likely one is kept.
Json legacy_top(const GeneratedToken& token) {
  Json top = Json::object();
  for (const auto& other : token.top) {
    if (!top.contains(other.text)) top[other.text] = finite(other.log_prob);
  }
  return top;
}

Json legacy_log_probs(std::span<const GeneratedToken> tokens, std::size_t text_offset) {
  Json out = {{"tokens", Json::array()},
              {"token_logprobs", Json::array()},
              {"top_logprobs", Json::array()},
              {"text_offset", Json::array()}};
  for (const auto& token : tokens) {
    out["tokens"].push_back(token.text);
    out["token_logprobs"].push_back(finite(token.log_prob));
    out["top_logprobs"].push_back(legacy_top(token));
    out["text_offset"].push_back(text_offset);
    text_offset += token.text.size();
  }
  return out;
}

Json log_probs(const AnswerHead& head, std::span<const GeneratedToken> tokens,
               std::size_t text_offset) {
  if (!head.log_probs) return nullptr;
  return head.chat ? chat_log_probs(tokens) : legacy_log_probs(tokens, text_offset);
}

Json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

Json envelope(const AnswerHead& head, const char* chat_object, Json choices) {
  return {{"id", head.id},
          {"object", head.chat ? chat_object : "text_completion"},
          {"created", head.created},
          {"model", head.model},
          {"choices", std::move(choices)}};
}

Json choice(const char* inner_name, Json inner, Json probs, Json finish_reason) {
  Json out = {{"index", 0}};
  out[inner_name] = std::move(inner);
  out["logprobs"] = std::move(probs);
  out["finish_reason"] = std::move(finish_reason);
  return Json::array({std::move(out)});
}

std::string chunk(const AnswerHead& head, Json choices) {
  return dump(envelope(head, "chat.completion.chunk", std::move(choices)));
}

}  // namespace

std::string whole_answer(const AnswerHead& head, std::string_view text,
                         const std::vector<GeneratedToken>& tokens, std::string_view finish_reason,
                         const Usage& usage) {
  Json probs = log_probs(head, tokens, 0);
  Json choices = head.chat ? choice("message", {{"role", "assistant"}, {"content", text}},
                                    std::move(probs), finish_reason)
                           : choice("text", text, std::move(probs), finish_reason);
  Json body = envelope(head, "chat.completion", std::move(choices));
  body["usage"] = usage_json(usage);
  return dump(body);
}

std::string role_chunk(const AnswerHead& head) {
  return chunk(head, choice("delta", {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr));
}

std::string piece_chunk(const AnswerHead& head, const GeneratedToken& token,
                        std::size_t text_offset) {
  Json probs = log_probs(head, std::span(&token, 1), text_offset);
  return chunk(head, head.chat
                         ? choice("delta", {{"content", token.text}}, std::move(probs), nullptr)
                         : choice("text", token.text, std::move(probs), nullptr));
}

std::string finish_chunk(const AnswerHead& head, std::string_view finish_reason) {
  return chunk(head, head.chat ? choice("delta", Json::object(), nullptr, finish_reason)
                               : choice("text", "", nullptr, finish_reason));
}

std::string usage_chunk(const AnswerHead& head, const Usage& usage) {
  Json body = envelope(head, "chat.completion.chunk", Json::array());
  body["usage"] = usage_json(usage);
  return dump(body);
}

std::string model_list(const std::string& model, std::int64_t created) {
  const Json entry = {
      {"id", model}, {"object", "model"}, {"created", created}, {"owned_by", "crayon"}};
  return dump({{"object", "list"}, {"data", Json::array({entry})}});
}

}  // namespace crayon::server
