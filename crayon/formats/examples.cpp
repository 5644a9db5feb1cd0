#include "crayon/formats/examples.h"

#include <algorithm>
#include <array>
#include <iostream>
#include <set>

#include "crayon/base/text.h"
#include "crayon/formats/internal/json.h"
#include "crayon/formats/internal/line_reader.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::string_view kForms = "{\"question\", \"choices\"}, {\"prompt\"} or {\"messages\"}";
constexpr std::array<std::string_view, 3> kRoles{"system", "user", "assistant"};
constexpr std::size_t kMaxChoices = 1000;

bool is_blank(std::string_view text) { return trimmed(text).empty(); }

/// One line as JSON. Messages never quote its values: they are the user's own text.
class Line {
 public:
  Line(const Json& json, const std::string& where) : json_(json), where_(where) {}

  Error wrong(std::string_view found, std::string_view expected) const {
    return {ErrorCode::InvalidArgument,
            fmt::format("{}: {}, expected {}; mend or remove the line", where_, found, expected)};
  }
  Error wrong_kind(const char* key, std::string_view expected) const {
    return wrong(fmt::format("'{}' is {}", key, has(key) ? kind_name(json_[key]) : "missing"),
                 expected);
  }

  /// A key that is null counts as missing.
  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  const Json& value(const char* key) const { return json_[key]; }

  /// A text that is not blank.
  std::string text(const char* key) const {
    if (!has(key) || !json_[key].is_string()) throw wrong_kind(key, "a text");
    auto result = json_[key].get<std::string>();
    if (is_blank(result)) throw wrong(fmt::format("'{}' is blank", key), "a text");
    return result;
  }
  /// Any text, "" when missing.
  std::string optional_text(const char* key) const {
    if (!has(key)) return "";
    if (!json_[key].is_string()) throw wrong_kind(key, "a text");
    return json_[key].get<std::string>();
  }

 private:
  const Json& json_;
  const std::string& where_;
};

std::vector<std::string> read_choices(const Line& line) {
  constexpr std::string_view kExpected = "an array of 2 to 1000 texts";
  if (!line.has("choices") || !line.value("choices").is_array()) {
    throw line.wrong_kind("choices", kExpected);
  }
  const Json& array = line.value("choices");
  if (array.size() < 2 || array.size() > kMaxChoices) {
    throw line.wrong(fmt::format("'choices' has {} entries", array.size()), kExpected);
  }
  std::vector<std::string> choices;
  std::set<std::string> seen;
  for (const Json& item : array) {
    const std::string name = fmt::format("choice {}", choices.size());
    if (!item.is_string())
      throw line.wrong(fmt::format("{} is {}", name, kind_name(item)), "a text");
    choices.push_back(item.get<std::string>());
    if (is_blank(choices.back())) throw line.wrong(name + " is blank", "a text");
    if (!seen.insert(choices.back()).second) {
      throw line.wrong(name + " equals an earlier one", "choices that differ");
    }
  }
  return choices;
}

/// Index of the choice that equals `text` exactly, else of the only one that does without outer
/// blanks.
std::optional<int> find_choice(const std::vector<std::string>& choices, std::string_view text) {
  const auto exact = std::ranges::find(choices, text);
  if (exact != choices.end()) return static_cast<int>(exact - choices.begin());
  const auto same = [&](const std::string& choice) { return trimmed(choice) == trimmed(text); };
  const auto found = std::ranges::find_if(choices, same);
  if (found == choices.end() || std::any_of(found + 1, choices.end(), same)) return std::nullopt;
  return static_cast<int>(found - choices.begin());
}

std::optional<int> read_answer(const Line& line, const std::vector<std::string>& choices) {
  if (!line.has("answer")) return std::nullopt;
  const Json& answer = line.value("answer");
  const std::string expected =
      fmt::format("an index in 0..{} or the text of a choice", choices.size() - 1);
  if (answer.is_number_integer()) {
    const bool inside = answer >= 0 && answer < choices.size();
    if (!inside) throw line.wrong(fmt::format("'answer' is {}", answer.dump()), expected);
    return answer.get<int>();
  }
  if (!answer.is_string()) throw line.wrong_kind("answer", expected);
  const auto found = find_choice(choices, answer.get_ref<const std::string&>());
  if (!found) throw line.wrong("'answer' is a text that is no choice", expected);
  return found;
}

void read_question(const Line& line, Example& example) {
  example.kind = ExampleKind::Choices;
  example.question = line.text("question");
  example.context = line.optional_text("context");
  example.choices = read_choices(line);
  example.answer = read_answer(line, example.choices);
}

void read_completion(const Line& line, Example& example) {
  example.kind = ExampleKind::Completion;
  example.prompt = line.text("prompt");
  if (line.has("completion")) example.completion = line.optional_text("completion");
}

ChatMessage read_message(const Line& line, const Json& json, std::size_t index) {
  const auto text_of = [&](const char* key) {
    if (json.is_object() && json.contains(key) && json[key].is_string()) {
      return json[key].get<std::string>();
    }
    throw line.wrong(fmt::format("message {} has no text '{}'", index, key),
                     "{\"role\": ..., \"content\": ...} with texts");
  };
  ChatMessage message{text_of("role"), text_of("content")};
  for (const auto known : kRoles) {
    if (message.role == known) return message;
  }
  throw line.wrong(fmt::format("message {} has another role", index),
                   fmt::format("one of {}", fmt::join(kRoles, ", ")));
}

void read_messages(const Line& line, Example& example) {
  example.kind = ExampleKind::Messages;
  const Json& array = line.value("messages");
  if (!array.is_array()) throw line.wrong_kind("messages", "an array of messages");
  bool asked = false;
  for (const Json& item : array) {
    example.messages.push_back(read_message(line, item, example.messages.size()));
    asked = asked || example.messages.back().role == "user";
  }
  if (!asked) throw line.wrong("'messages' holds no message of the user", "at least one");
}

/// "12" of "file:12".
std::string line_number(const std::string& where) {
  const auto colon = where.rfind(':');
  return where.substr(colon == std::string::npos ? 0 : colon + 1);
}

std::string read_id(const Line& line, const std::string& where) {
  if (!line.has("id")) return "line-" + line_number(where);
  const Json& id = line.value("id");
  if (id.is_number_integer()) return id.dump();
  return line.text("id");
}

}  // namespace

Example parse_example(std::string_view text, const std::string& where) {
  const Json none = Json::object();
  if (const std::string fault = json_fault(text, JsonKeys::Private); !fault.empty()) {
    throw Line(none, where).wrong(fault, "one JSON object a line");
  }
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Line line(json.is_object() ? json : none, where);
  if (!json.is_object()) {
    throw line.wrong(fmt::format("holds {}", kind_name(json)), "one JSON object a line");
  }
  const int forms = line.has("question") + line.has("prompt") + line.has("messages");
  if (forms != 1) {
    throw line.wrong(forms == 0 ? "holds no example" : "mixes forms",
                     fmt::format("one of {}", kForms));
  }
  Example example;
  example.id = read_id(line, where);
  example.task = line.optional_text("task");
  if (line.has("question")) read_question(line, example);
  if (line.has("prompt")) read_completion(line, example);
  if (line.has("messages")) read_messages(line, example);
  return example;
}

std::vector<Example> read_examples(std::istream& in, const std::string& name, std::size_t limit) {
  LineReader lines(in, name);
  std::vector<Example> examples;
  std::string line;
  while ((limit == 0 || examples.size() < limit) && lines.next(line)) {
    if (!is_blank(line)) examples.push_back(parse_example(line, lines.where()));
  }
  if (examples.empty()) {
    throw file_error(ErrorCode::InvalidArgument, name,
                     "holds no example, expected JSON lines such as {}; add some", kForms);
  }
  return examples;
}

std::vector<Example> read_examples(const std::filesystem::path& path, std::size_t limit) {
  if (path == "-") return read_examples(std::cin, "standard input", limit);
  std::ifstream in = open_lines(path);
  return read_examples(in, path.string(), limit);
}

}  // namespace crayon
