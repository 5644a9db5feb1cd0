#include "crayon/remote/internal/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crayon/base/error.h"

namespace crayon::wire {
namespace {

using Json = nlohmann::json;

[[noreturn]] void corrupt(const std::string& origin, const std::string& what) {
  throw Error(ErrorCode::CorruptFile,
              fmt::format("{}: {}; is this an OpenAI-compatible server?", origin, what));
}

std::string one_line(std::string text, std::size_t most) {
  if (text.size() > most) {
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
    text.resize(most);
  }
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return text;
}

Json parse(std::string_view body, const std::string& origin) {
  auto json = Json::parse(body, nullptr, false);
  if (!json.is_object()) {
    corrupt(origin, fmt::format("the answer ({} bytes) is not a JSON object", body.size()));
  }
  return json;
}

// The field, or null when it is missing or null.
const Json& field(const Json& object, const char* name) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

std::string text(const Json& object, const char* name, const std::string& origin) {
  const auto& value = field(object, name);
  if (value.is_null()) return {};
  if (!value.is_string()) {
    corrupt(origin,
            fmt::format("field '{}' is of type {}, expected string", name, value.type_name()));
  }
  return value.get<std::string>();
}

double number(const Json& value, const std::string& origin) {
  if (value.is_null()) return 0;  // the first token of a prompt has no log-prob
  if (!value.is_number()) {
    corrupt(origin, fmt::format("a log-prob is of type {}, expected number", value.type_name()));
  }
  return value.get<double>();
}

int count(const Json& usage, const char* name) {
  const auto& value = field(usage, name);
  return value.is_number_unsigned() && value.get<std::uint64_t>() < (1u << 30) ? value.get<int>()
                                                                               : 0;
}

// {"content": [{"token", "logprob", "top_logprobs": [{"token", "logprob"}]}]}
void add_chat_tokens(const Json& content, const std::string& origin,
                     std::vector<RemoteToken>& tokens) {
  for (const auto& entry : content) {
    RemoteToken token{text(entry, "token", origin), number(field(entry, "logprob"), origin), {}};
    for (const auto& other : field(entry, "top_logprobs")) {
      token.top.emplace_back(text(other, "token", origin), number(field(other, "logprob"), origin));
    }
    tokens.push_back(std::move(token));
  }
}

// {"tokens": [], "token_logprobs": [], "top_logprobs": [{token: logprob}]}
void add_legacy_tokens(const Json& log_probs, const std::string& origin,
                       std::vector<RemoteToken>& tokens) {
  const auto& names = field(log_probs, "tokens");
  const auto& values = field(log_probs, "token_logprobs");
  const auto& tops = field(log_probs, "top_logprobs");
  if (!names.is_array() || !values.is_array() || names.size() != values.size()) {
    corrupt(origin, fmt::format("'logprobs' has {} tokens and {} numbers, expected as many",
                                names.size(), values.size()));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i].is_string()) corrupt(origin, "'logprobs' has a token that is not a string");
    RemoteToken token{names[i].get<std::string>(), number(values[i], origin), {}};
    if (tops.is_array() && i < tops.size() && tops[i].is_object()) {
      for (const auto& [name, value] : tops[i].items()) {
        token.top.emplace_back(name, number(value, origin));
      }
      std::stable_sort(token.top.begin(), token.top.end(),
                       [](const auto& a, const auto& b) { return a.second > b.second; });
    }
    tokens.push_back(std::move(token));
  }
}

void add_tokens(const Json& choice, const std::string& origin, std::vector<RemoteToken>& tokens) {
  const auto& log_probs = field(choice, "logprobs");
  if (!log_probs.is_object()) return;
  const auto& content = field(log_probs, "content");
  if (content.is_array()) return add_chat_tokens(content, origin, tokens);
  if (!field(log_probs, "tokens").is_null()) add_legacy_tokens(log_probs, origin, tokens);
}

// The only choice; null when there is none (a usage chunk).
const Json& only_choice(const Json& answer, const std::string& origin) {
  const auto& choices = field(answer, "choices");
  if (!choices.is_array()) {
    corrupt(origin,
            fmt::format("field 'choices' is of type {}, expected array", choices.type_name()));
  }
  static const Json null;
  if (!choices.empty() && !choices[0].is_object()) corrupt(origin, "'choices' has no object");
  return choices.empty() ? null : choices[0];
}

void add_usage(const Json& json, RemoteAnswer& answer) {
  const auto& usage = field(json, "usage");
  if (!usage.is_object()) return;
  answer.prompt_tokens = count(usage, "prompt_tokens");
  answer.completion_tokens = count(usage, "completion_tokens");
}

// The text of a choice, whole ("message") or a piece ("delta"), or of a plain completion ("text").
std::string choice_text(const Json& choice, const std::string& origin) {
  for (const char* holder : {"message", "delta"}) {
    const auto& inner = field(choice, holder);
    if (inner.is_object()) return text(inner, "content", origin);
  }
  return text(choice, "text", origin);
}

}  // namespace

std::string request_body(const Ask& ask) {
  Json body = {{"model", ask.model},
               {"max_tokens", ask.options.max_tokens},
               {"temperature", ask.options.temperature},
               {"stream", ask.stream}};
  if (ask.stream) body["stream_options"] = {{"include_usage", true}};
  const int top = ask.options.top_log_probs;
  if (ask.messages == nullptr) {
    body["prompt"] = ask.prompt;
    if (top > 0) body["logprobs"] = top;
  } else {
    body["messages"] = Json::array();
    for (const auto& message : *ask.messages) {
      body["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    if (top > 0) body["logprobs"] = true;
    if (top > 0) body["top_logprobs"] = top;
  }
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

RemoteAnswer parse_answer(std::string_view body, const std::string& origin) {
  const auto json = parse(body, origin);
  const auto& choice = only_choice(json, origin);
  if (choice.is_null()) corrupt(origin, "'choices' is empty, expected one");
  if (field(choice, "message").is_null() && field(choice, "text").is_null()) {
    corrupt(origin, "the choice has neither 'message' nor 'text'");
  }
  RemoteAnswer answer;
  answer.text = choice_text(choice, origin);
  answer.model = text(json, "model", origin);
  answer.finish_reason = text(choice, "finish_reason", origin);
  add_tokens(choice, origin, answer.tokens);
  add_usage(json, answer);
  return answer;
}

std::vector<std::string> parse_models(std::string_view body, const std::string& origin) {
  const auto json = parse(body, origin);
  const auto& data = field(json, "data");
  if (!data.is_array()) {
    corrupt(origin, fmt::format("field 'data' is of type {}, expected array", data.type_name()));
  }
  std::vector<std::string> names;
  for (const auto& model : data) names.push_back(text(model, "id", origin));
  return names;
}

std::string error_message(std::string_view body) {
  const auto json = Json::parse(body, nullptr, false);
  const auto& error = field(json, "error");
  for (const auto* place :
       {&field(error, "message"), &error, &field(json, "message"), &field(json, "detail")}) {
    if (place->is_string()) return one_line(place->get<std::string>(), 300);
  }
  return {};
}

std::string StreamReader::take(std::string_view data) {
  if (data == "[DONE]") {
    done_ = true;
    return {};
  }
  const auto json = parse(data, origin_);
  if (!field(json, "error").is_null()) {
    throw Error(ErrorCode::Unavailable, fmt::format("{}: the answer ended with an error: {}",
                                                    origin_, error_message(data)));
  }
  add_usage(json, answer_);
  if (answer_.model.empty()) answer_.model = text(json, "model", origin_);
  const auto& choice = only_choice(json, origin_);
  if (choice.is_null()) return {};
  add_tokens(choice, origin_, answer_.tokens);
  if (auto reason = text(choice, "finish_reason", origin_); !reason.empty()) {
    answer_.finish_reason = std::move(reason);
  }
  auto piece = choice_text(choice, origin_);
  answer_.text += piece;
  return piece;
}

}  // namespace crayon::wire
