#include "crayon/server/internal/requests.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "crayon/base/error.h"
#include "crayon/http/json_field.h"

namespace crayon::server {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostMessages = 1024;
constexpr std::size_t kMostStops = 16;
constexpr std::size_t kMostChoices = 256;
constexpr int kMostTopLogProbs = 20;
constexpr int kMostTokens = 1 << 20;

[[noreturn]] void bad(const std::string& where, const std::string& found,
                      const std::string& expected) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("field '{}' is {}; expected {}", where, found, expected));
}

// What a value is, without the user's text: numbers and booleans as they are, else the type.
std::string described(const Json& value) {
  if (value.is_number() || value.is_boolean() || value.is_null()) return value.dump();
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  return fmt::format("of type {}", value.type_name());
}

Json parse(std::string_view body) {
  auto json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) {
    throw Error(ErrorCode::InvalidArgument, "the body is not valid JSON; expected an object");
  }
  if (!json.is_object()) bad("body", described(json), "an object");
  return json;
}

bool flag(const Json& object, const char* name) {
  const auto& value = json_field(object, name);
  if (value.is_null()) return false;
  if (!value.is_boolean()) bad(name, described(value), "true or false");
  return value.get<bool>();
}

std::optional<std::int64_t> integer(const Json& object, const char* name, std::int64_t least,
                                    std::int64_t most) {
  const auto& value = json_field(object, name);
  if (value.is_null()) return std::nullopt;
  const auto expected = fmt::format("a whole number from {} to {}", least, most);
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
  if (!fits) bad(name, described(value), expected);
  const auto number = value.get<std::int64_t>();
  if (number < least || number > most) bad(name, described(value), expected);
  return number;
}

double number(const Json& object, const char* name, double fallback, double most) {
  const auto& value = json_field(object, name);
  if (value.is_null()) return fallback;
  const double x = value.is_number() ? value.get<double>() : -1;
  if (!(x >= 0 && x <= most))
    bad(name, described(value), fmt::format("a number from 0 to {}", most));
  return x;
}

std::vector<std::string> strings(const Json& value, const char* name, std::size_t most) {
  const auto expected = fmt::format("an array of 1 to {} strings, none of them empty", most);
  if (!value.is_array() || value.empty() || value.size() > most)
    bad(name, described(value), expected);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool good = value[i].is_string() && !value[i].get_ref<const std::string&>().empty();
    if (!good) {
      bad(fmt::format("{}[{}]", name, i), value[i].is_string() ? "empty" : described(value[i]),
          "a string with text");
    }
    out.push_back(value[i].get<std::string>());
  }
  return out;
}

std::vector<std::string> read_stop(const Json& json) {
  const auto& stop = json_field(json, "stop");
  if (stop.is_null() || (stop.is_array() && stop.empty())) return {};
  return strings(stop.is_string() ? Json::array({stop}) : stop, "stop", kMostStops);
}

// A message's content: a string, null, or an array of text parts.
std::string read_content(const Json& content, const std::string& where) {
  if (content.is_null()) return {};
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) bad(where, described(content), "a string or an array of text parts");
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto& part = content[i];
    const auto here = fmt::format("{}[{}]", where, i);
    if (!part.is_object()) bad(here, described(part), R"({"type": "text", "text": ...})");
    if (json_field(part, "type") != "text" || !json_field(part, "text").is_string()) {
      bad(here, "not a text part",
          R"({"type": "text", "text": ...}; images and sound are not read)");
    }
    text += json_field(part, "text").get_ref<const std::string&>();
  }
  return text;
}

ChatMessage read_message(const Json& message, std::size_t i) {
  const auto where = fmt::format("messages[{}]", i);
  if (!message.is_object()) bad(where, described(message), "an object with role and content");
  const auto& role = json_field(message, "role");
  for (const auto* known : {"system", "user", "assistant"}) {
    if (role == known)
      return {known, read_content(json_field(message, "content"), where + ".content")};
  }
  if (role == "developer") {  // the newer name of the system's role
    return {"system", read_content(json_field(message, "content"), where + ".content")};
  }
  bad(where + ".role", role.is_string() ? "another" : described(role),
      "'system', 'user' or 'assistant'");
}

// Fields that ask for what is not done here: refused unless they hold what has no effect.
void refuse_unsupported(const Json& json) {
  static const std::vector<std::pair<const char*, Json>> kNeutral = {{"n", 1},
                                                                     {"best_of", 1},
                                                                     {"echo", false},
                                                                     {"suffix", ""},
                                                                     {"logit_bias", Json::object()},
                                                                     {"presence_penalty", 0},
                                                                     {"frequency_penalty", 0},
                                                                     {"tools", Json::array()},
                                                                     {"functions", Json::array()}};
  for (const auto& [name, neutral] : kNeutral) {
    const auto& value = json_field(json, name);
    if (value.is_null() || value == neutral) continue;
    bad(name, described(value),
        fmt::format("{} or none: this server does not support it", neutral.dump()));
  }
  const auto& format = json_field(json, "response_format");
  const bool is_text = format.is_object() && json_field(format, "type") == "text";
  if (!format.is_null() && !is_text) {
    bad("response_format", described(format),
        R"({"type": "text"} or none; 'guided_choice' gives one of several answers)");
  }
}

void read_model(const Json& json, ApiRequest& request) {
  const auto& model = json_field(json, "model");
  if (model.is_null()) return;
  if (!model.is_string()) bad("model", described(model), "a model's name");
  request.model = model.get<std::string>();
}

void read_max_tokens(const Json& json, ApiRequest& request) {
  for (const auto* name : {"max_tokens", "max_completion_tokens"}) {
    if (const auto found = integer(json, name, 1, kMostTokens)) {
      request.max_tokens = static_cast<int>(*found);
    }
  }
}

void read_stream(const Json& json, ApiRequest& request) {
  request.stream = flag(json, "stream");
  const auto& options = json_field(json, "stream_options");
  if (options.is_null()) return;
  if (!options.is_object()) bad("stream_options", described(options), "an object");
  if (!request.stream) bad("stream_options", "given", "none without \"stream\": true");
  request.include_usage = flag(options, "include_usage");
}

// What both endpoints share.
ApiRequest read_common(const Json& json) {
  ApiRequest request;
  refuse_unsupported(json);
  read_model(json, request);
  read_max_tokens(json, request);
  read_stream(json, request);
  request.temperature = number(json, "temperature", 1, 2);
  request.top_p = number(json, "top_p", 1, 1);
  if (request.top_p == 0) bad("top_p", "0", "more than 0 and at most 1");
  if (const auto seed = integer(json, "seed", INT64_MIN, INT64_MAX)) {
    request.seed = static_cast<std::uint64_t>(*seed);
  }
  request.stop = read_stop(json);
  const auto& choices = json_field(json, "guided_choice");
  if (!choices.is_null()) request.guided_choice = strings(choices, "guided_choice", kMostChoices);
  return request;
}

}  // namespace

ApiRequest parse_chat(std::string_view body) {
  const auto json = parse(body);
  auto request = read_common(json);
  request.chat = true;
  request.log_probs = flag(json, "logprobs");
  const auto top = integer(json, "top_logprobs", 0, kMostTopLogProbs);
  if (top && !request.log_probs) bad("top_logprobs", "given", "none without \"logprobs\": true");
  request.top_log_probs = static_cast<int>(top.value_or(0));
  const auto& messages = json_field(json, "messages");
  if (!messages.is_array() || messages.empty() || messages.size() > kMostMessages) {
    bad("messages", described(messages),
        fmt::format("an array of 1 to {} messages", kMostMessages));
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    request.messages.push_back(read_message(messages[i], i));
  }
  return request;
}

ApiRequest parse_completion(std::string_view body) {
  const auto json = parse(body);
  auto request = read_common(json);
  const auto top = integer(json, "logprobs", 0, kMostTopLogProbs);
  request.log_probs = top.has_value();
  request.top_log_probs = static_cast<int>(top.value_or(0));
  const auto& prompt = json_field(json, "prompt");
  const bool one = prompt.is_array() && prompt.size() == 1 && prompt[0].is_string();
  const auto& text = one ? prompt[0] : prompt;
  if (!text.is_string()) bad("prompt", described(prompt), "one string");
  request.prompt = text.get<std::string>();
  return request;
}

}  // namespace crayon::server
