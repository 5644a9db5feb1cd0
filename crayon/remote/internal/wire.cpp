#include "crayon/remote/internal/wire.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "crayon/base/error.h"
#include "crayon/base/text.h"
#include "crayon/http/json_field.h"

namespace crayon::wire {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostShown = 300;  // bytes of what a server says
constexpr std::size_t kTokenBytes = 3;   // of an answer: rather too few than too many

[[noreturn]] void corrupt(const std::string& origin, const std::string& what) {
  throw Error(ErrorCode::CorruptFile,
              fmt::format("{}: {}; is this an OpenAI-compatible server?", origin, what));
}

Json parse(std::string_view body, const std::string& origin) {
  auto json = Json::parse(body, nullptr, false);
  if (!json.is_object()) {
    corrupt(origin, fmt::format("the answer ({} bytes) is not a JSON object", body.size()));
  }
  return json;
}

std::string text(const Json& object, const char* name, const std::string& origin) {
  const auto& value = json_field(object, name);
  if (value.is_null()) return {};
  if (!value.is_string()) {
    corrupt(origin,
            fmt::format("field '{}' is of type {}, expected string", name, value.type_name()));
  }
  return value.get<std::string>();
}

// None where it is null; rounding may have made it more than 0.
std::optional<double> log_prob(const Json& value, const std::string& origin) {
  if (value.is_null()) return {};
  if (!value.is_number()) {
    corrupt(origin, fmt::format("a log-prob is of type {}, expected number", value.type_name()));
  }
  return std::min(value.get<double>(), 0.0);
}

int count(const Json& usage, const char* name) {
  const auto& value = json_field(usage, name);
  return value.is_number_unsigned() && value.get<std::uint64_t>() < (1u << 30) ? value.get<int>()
                                                                               : 0;
}

// {"content": [{"token", "logprob", "top_logprobs": [{"token", "logprob"}]}]}
// Tokens count from the answer's start, so none is read behind one without a log-prob.
void add_chat_tokens(const Json& content, const std::string& origin,
                     std::vector<RemoteToken>& tokens) {
  for (const auto& entry : content) {
    const auto own = log_prob(json_field(entry, "logprob"), origin);
    if (!own) return;
    RemoteToken token{text(entry, "token", origin), *own, {}};
    for (const auto& other : json_field(entry, "top_logprobs")) {
      const auto its = log_prob(json_field(other, "logprob"), origin);
      if (its) token.top.emplace_back(text(other, "token", origin), *its);
    }
    tokens.push_back(std::move(token));
  }
}

// {"tokens": [], "token_logprobs": [], "top_logprobs": [{token: logprob}]}
void add_legacy_tokens(const Json& log_probs, const std::string& origin,
                       std::vector<RemoteToken>& tokens) {
  const auto& names = json_field(log_probs, "tokens");
  const auto& values = json_field(log_probs, "token_logprobs");
  const auto& tops = json_field(log_probs, "top_logprobs");
  if (!names.is_array() || !values.is_array() || names.size() != values.size()) {
    corrupt(origin, fmt::format("'logprobs' has {} tokens and {} numbers, expected as many",
                                names.size(), values.size()));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i].is_string()) corrupt(origin, "'logprobs' has a token that is not a string");
    const auto own = log_prob(values[i], origin);
    if (!own && i > 0) return;  // a prompt's first token has none, by the API
    RemoteToken token{names[i].get<std::string>(), own.value_or(0), {}};
    if (tops.is_array() && i < tops.size() && tops[i].is_object()) {
      for (const auto& [name, value] : tops[i].items()) {
        if (const auto its = log_prob(value, origin)) token.top.emplace_back(name, *its);
      }
      std::stable_sort(token.top.begin(), token.top.end(),
                       [](const auto& a, const auto& b) { return a.second > b.second; });
    }
    tokens.push_back(std::move(token));
  }
}

void add_tokens(const Json& choice, const std::string& origin, std::vector<RemoteToken>& tokens) {
  const auto& log_probs = json_field(choice, "logprobs");
  if (!log_probs.is_object()) return;
  const auto& content = json_field(log_probs, "content");
  if (content.is_array()) return add_chat_tokens(content, origin, tokens);
  if (!json_field(log_probs, "tokens").is_null()) add_legacy_tokens(log_probs, origin, tokens);
}

// The only choice; null when there is none (a usage chunk).
const Json& only_choice(const Json& answer, const std::string& origin) {
  const auto& choices = json_field(answer, "choices");
  if (!choices.is_array()) {
    corrupt(origin,
            fmt::format("field 'choices' is of type {}, expected array", choices.type_name()));
  }
  static const Json null;
  if (!choices.empty() && !choices[0].is_object()) corrupt(origin, "'choices' has no object");
  return choices.empty() ? null : choices[0];
}

// A stream may tell its prompt's number at once, with 0 for what is to come.
void add_usage(const Json& json, RemoteAnswer& answer) {
  const auto& usage = json_field(json, "usage");
  const int prompt = count(usage, "prompt_tokens");
  const int completion = count(usage, "completion_tokens");
  if (prompt > 0) answer.prompt_tokens = prompt;
  if (completion > 0) answer.completion_tokens = completion;
  answer.usage_reported =
      answer.usage_reported || (prompt > 0 && (completion > 0 || !answer.finish_reason.empty()));
}

// The text of a choice, whole ("message") or a piece ("delta"), or of a plain completion ("text").
std::string choice_text(const Json& choice, const std::string& origin) {
  for (const char* holder : {"message", "delta"}) {
    const auto& inner = json_field(choice, holder);
    if (inner.is_object()) return text(inner, "content", origin);
  }
  return text(choice, "text", origin);
}

// What a model says to itself before it answers: paid for, and no part of the answer.
std::size_t thought_bytes(const Json& choice) {
  const auto& delta = json_field(choice, "delta");
  std::size_t bytes = 0;
  for (const char* name : {"reasoning_content", "reasoning"}) {
    const auto& thought = json_field(delta, name);
    if (thought.is_string()) bytes += thought.get_ref<const std::string&>().size();
  }
  return bytes;
}

// The letters, digits and bytes of other characters: what is left of a text however it is quoted.
std::string bare(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = lowered(text[i]);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (c == '\\') {
      ++i;  // with the character that it escapes
    } else if (letter || static_cast<unsigned char>(c) >= 0x80) {
      out.push_back(c);
    }
  }
  return out;
}

// Does what the server says repeat a run of a text that it was sent, or a short one as a whole?
bool repeats(const std::string& said, const std::vector<std::string_view>& sent) {
  constexpr std::size_t kRun = 20;  // about 24 characters, blanks counted
  constexpr std::size_t kShortest = 4;
  const std::string heard = bare(said);
  for (const auto text : sent) {
    const std::string told = bare(text);
    const std::size_t run = std::min(kRun, told.size());
    for (std::size_t i = 0; run >= kShortest && i + run <= heard.size(); ++i) {
      if (told.find(std::string_view(heard).substr(i, run)) != std::string::npos) return true;
    }
  }
  return said.find("\\u") != std::string::npos;  // characters in a form that is not compared
}

// The first of [{"type", "loc": [...], "msg"}], as FastAPI refuses what does not fit its types.
const Json& first_detail(const Json& json) {
  static const Json null;
  const auto& detail = json_field(json, "detail");
  return detail.is_array() && !detail.empty() ? detail[0] : null;
}

std::string said_in(const Json& json) {
  const auto& error = json_field(json, "error");
  for (const auto* place : {&json_field(error, "message"), &error, &json_field(json, "message"),
                            &json_field(json, "detail")}) {
    if (place->is_string()) return place->get<std::string>();
  }
  const auto& detail = first_detail(json);
  if (!json_field(detail, "msg").is_string()) return {};
  std::vector<std::string> where;
  for (const auto& step : json_field(detail, "loc")) {
    if (step.is_string()) where.push_back(step.get<std::string>());
    if (step.is_number_integer())
      where.push_back(step.dump());  // all else may be nested without end
  }
  return fmt::format("{}{}{}", fmt::join(where, "."), where.empty() ? "" : ": ",
                     json_field(detail, "msg").get_ref<const std::string&>());
}

// The kind of an error: an identifier, which holds no text of others.
std::string kind_in(const Json& json) {
  const auto& error = json_field(json, "error");
  for (const auto* place : {&json_field(error, "code"), &json_field(error, "type"),
                            &json_field(first_detail(json), "type"), &json_field(json, "code"),
                            &json_field(json, "type")}) {
    if (!place->is_string()) continue;
    auto kind = place->get<std::string>();
    const bool identifier =
        kind.size() <= 64 && std::all_of(kind.begin(), kind.end(), [](char c) {
          return (lowered(c) >= 'a' && lowered(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
        });
    if (identifier && !kind.empty()) return kind;
  }
  return {};
}

}  // namespace

std::string request_body(const Ask& ask) {
  Json body = {{"model", ask.model},
               {"max_tokens", ask.options.max_tokens},
               {"temperature", ask.options.temperature},
               {"stream", ask.stream}};
  if (ask.stream && ask.usage) body["stream_options"] = {{"include_usage", true}};
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
  if (json_field(choice, "message").is_null() && json_field(choice, "text").is_null()) {
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
  const auto& data = json_field(json, "data");
  if (!data.is_array()) {
    corrupt(origin, fmt::format("field 'data' is of type {}, expected array", data.type_name()));
  }
  std::vector<std::string> names;
  for (const auto& model : data) names.push_back(text(model, "id", origin));
  return names;
}

std::vector<std::string_view> texts_of(const Ask& ask) {
  if (ask.messages == nullptr) return {ask.prompt};
  std::vector<std::string_view> texts;
  for (const auto& message : *ask.messages) texts.push_back(message.content);
  return texts;
}

std::string error_message(std::string_view body, const std::vector<std::string_view>& sent) {
  const auto json = Json::parse(body, nullptr, false);
  const auto said = one_line(said_in(json), kMostShown);
  return repeats(said, sent) ? kind_in(json) : said;
}

std::string StreamReader::take(std::string_view data) {
  if (data == "[DONE]") {
    done_ = true;
    return {};
  }
  const auto json = parse(data, origin_);
  if (!json_field(json, "error").is_null()) {
    const auto said = error_message(data, sent_);
    throw Error(ErrorCode::Unavailable, fmt::format("{}: the answer ended with an error: {}",
                                                    origin_, said.empty() ? "no reason" : said));
  }
  if (answer_.model.empty()) answer_.model = text(json, "model", origin_);
  const auto& choice = only_choice(json, origin_);
  std::string piece;
  if (!choice.is_null()) {
    add_tokens(choice, origin_, answer_.tokens);
    if (auto reason = text(choice, "finish_reason", origin_); !reason.empty()) {
      answer_.finish_reason = std::move(reason);
    }
    piece = choice_text(choice, origin_);
    answer_.text += piece;
    const std::size_t bytes = piece.size() + thought_bytes(choice);
    if (bytes > 0) ++pieces_;
    bytes_ += bytes;
    if (bytes > 0 && !answer_.usage_reported) {
      const auto by_bytes = std::min<std::size_t>(bytes_ / kTokenBytes, 1u << 30);
      answer_.completion_tokens = std::max(pieces_, static_cast<int>(by_bytes));
    }
  }
  add_usage(json, answer_);
  return piece;
}

}  // namespace crayon::wire
