#include "crayon/bench/lm_eval_yaml.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "crayon/base/error.h"
#include "crayon/base/text.h"
#include "crayon/bench/internal/task_settings.h"
#include "crayon/bench/internal/template.h"
#include "crayon/formats/json_lines.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Settings = std::map<std::string, TaskSetting>;

constexpr std::size_t kMostChoices = 1000;

Error invalid(const std::string& where, std::string_view found, std::string_view expected) {
  return {ErrorCode::InvalidArgument, fmt::format("{}: {}, expected {}", where, found, expected)};
}

Error unsupported(const std::string& where, std::string_view found, std::string_view expected) {
  return {ErrorCode::Unsupported, fmt::format("{}: {}, expected {}", where, found, expected)};
}

/// The setting, or null where it is missing or null.
const TaskSetting* find(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  if (found == settings.end() || found->second.value.is_null()) return nullptr;
  return &found->second;
}

const TaskSetting& need(const Settings& settings, const std::string& name, const fs::path& yaml) {
  if (const TaskSetting* setting = find(settings, name)) return *setting;
  throw invalid(yaml.string(), fmt::format("has no key '{}'", name), "it; add it");
}

std::string text_in(const TaskSetting& setting) {
  if (setting.value.is_string()) return setting.value.get<std::string>();
  if (setting.value.is_array()) {
    throw unsupported(setting.where, "a list", "one text; name the file of a single task");
  }
  throw unsupported(setting.where, "a map", "one text");
}

std::string text_or(const Settings& settings, const std::string& name, std::string otherwise) {
  const TaskSetting* setting = find(settings, name);
  return setting == nullptr ? std::move(otherwise) : text_in(*setting);
}

// ---- Where the data are

std::string path_in(const Json& value, const std::string& where) {
  if (!value.is_string())
    throw unsupported(where, "not one path for a split", "the path of a file");
  auto path = value.get<std::string>();
  if (path.find("://") == std::string::npos) return path;
  throw unsupported(where, fmt::format("'{}' is an address", one_line(path, 100)),
                    "a file of JSON lines on this machine; fetch it first");
}

const Json& data_files_in(const TaskSetting& kwargs) {
  static constexpr std::string_view kExpected = "data_files alone, with paths of JSON lines";
  if (!kwargs.value.is_object() || !kwargs.value.contains("data_files")) {
    throw invalid(kwargs.where, "has no data_files", kExpected);
  }
  for (const auto& [name, value] : kwargs.value.items()) {
    if (name != "data_files") {
      throw unsupported(kwargs.where, fmt::format("has '{}'", one_line(name, 60)), kExpected);
    }
  }
  return kwargs.value["data_files"];
}

/// The file of a split of the data set.
fs::path data_file(const TaskSetting& kwargs, const std::string& split, const std::string& where) {
  const Json& files = data_files_in(kwargs);
  const Json named = files.is_object() ? files : Json{{"train", files}};
  const auto found = named.find(split);
  if (found != named.end()) return kwargs.file.parent_path() / path_in(*found, kwargs.where);
  std::string known;
  for (const auto& [name, value] : named.items()) known += (known.empty() ? "" : ", ") + name;
  throw invalid(where, fmt::format("split '{}' has no file", one_line(split, 60)),
                fmt::format("one of {}, as data_files names them", one_line(known, 200)));
}

// ---- What makes an example of a row

/// A setting that is the name of a field or a template.
class Source {
 public:
  explicit Source(const TaskSetting& setting)
      : where_(setting.where), text_(text_in(setting)), template_(text_, setting.where) {}

  [[nodiscard]] bool is_field_of(const Json& row) const {
    return template_.is_plain() && row.contains(text_);
  }
  [[nodiscard]] bool is_plain() const { return template_.is_plain(); }
  [[nodiscard]] std::string where(const std::string& row_where) const {
    return fmt::format("{}: {}", row_where, where_);
  }

  /// The field, or the value of the one place that the template is, or its text.
  [[nodiscard]] Json value(const Json& row, const std::string& row_where) const {
    return is_field_of(row) ? row[text_] : template_.value(row, row_where);
  }
  [[nodiscard]] std::string text(const Json& row, const std::string& row_where) const {
    return template_.text(row, row_where);
  }
  /// For a setting whose plain text must be a field.
  [[nodiscard]] Error no_field(const std::string& row_where) const {
    return invalid(where(row_where), fmt::format("no field '{}' in the row", one_line(text_, 60)),
                   "the name of a field or a template with {{...}}; mend it");
  }

 private:
  std::string where_;
  std::string text_;
  Template template_;
};

/// The number, where the text is digits (with a sign, so that -1 is called out of range).
std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || end != text.data() + text.size() || failed != std::errc())
    return std::nullopt;
  return number;
}

class TaskReader {
 public:
  TaskReader(const Settings& settings, const fs::path& yaml, std::string name)
      : name_(std::move(name)),
        delimiter_(text_or(settings, "target_delimiter", " ")),
        text_(need(settings, "doc_to_text", yaml)),
        target_(need(settings, "doc_to_target", yaml)) {
    if (const TaskSetting* description = find(settings, "description")) {
      description_.emplace(text_in(*description), description->where);
    }
    const TaskSetting& choices = need(settings, "doc_to_choice", yaml);
    if (choices.value.is_array()) {
      choices_ = checked_choices(choices.value, choices.where);
    } else {
      choice_source_.emplace(choices);
    }
  }

  [[nodiscard]] LmEvalExample example(const Json& row, const std::string& where) const {
    LmEvalExample result;
    Example& example = result.example;
    example.kind = ExampleKind::Choices;
    example.task = name_;
    example.id = id_of(row, where);
    example.question = question(row, where);
    example.choices = choice_source_ ? choices(row, where) : choices_;
    example.answer = answer(row, where, example.choices);
    result.text = (description_ ? description_->text(row, where) : "") + example.question;
    if (trimmed(result.text).empty()) throw invalid(text_.where(where), "a blank prompt", "a text");
    result.delimiter = delimiter_;
    return result;
  }

 private:
  static std::string id_of(const Json& row, const std::string& where) {
    const auto found = row.find("id");
    if (found != row.end() && found->is_number_integer()) return found->dump();
    if (found != row.end() && found->is_string()) return found->get<std::string>();
    return "line-" + where.substr(where.rfind(':') + 1);
  }

  static std::vector<std::string> checked_choices(const Json& list, const std::string& where) {
    if (!list.is_array()) throw invalid(where, "no list of choices", "a list of texts");
    if (list.size() < 2 || list.size() > kMostChoices) {
      throw invalid(where, fmt::format("{} choices", list.size()),
                    fmt::format("2 to {}", kMostChoices));
    }
    std::vector<std::string> choices;
    for (const Json& item : list) {
      if (!item.is_string() && !item.is_number()) {
        throw invalid(where, fmt::format("choice {} is no text", choices.size()), "a text");
      }
      choices.push_back(text_of(item));
      if (trimmed(choices.back()).empty()) {
        throw invalid(where, fmt::format("choice {} is blank", choices.size() - 1), "a text");
      }
    }
    return choices;
  }

  [[nodiscard]] std::string question(const Json& row, const std::string& where) const {
    const bool is_field = text_.is_field_of(row);
    if (!is_field && text_.is_plain()) throw text_.no_field(where);
    const Json value = is_field ? text_.value(row, where) : Json(text_.text(row, where));
    if (value.is_string() && !whole_number(value.get_ref<const std::string&>())) return value;
    if (!value.is_string() && !value.is_number()) {
      throw invalid(text_.where(where), "a field that is no text", "a text");
    }
    throw unsupported(text_.where(where), "a number (a context for each choice)",
                      "one text for all choices");
  }

  [[nodiscard]] std::vector<std::string> choices(const Json& row, const std::string& where) const {
    if (choice_source_->is_plain() && !choice_source_->is_field_of(row)) {
      throw choice_source_->no_field(where);
    }
    return checked_choices(choice_source_->value(row, where), choice_source_->where(where));
  }

  [[nodiscard]] int answer(const Json& row, const std::string& row_where,
                           const std::vector<std::string>& choices) const {
    const std::string where = target_.where(row_where);
    if (!target_.is_field_of(row)) {
      const std::string text = target_.text(row, row_where);
      const auto index = whole_number(text);
      if (index) return checked_index(*index, choices, where);
      const bool is_choice = std::ranges::find(choices, text) != choices.end();
      if (target_.is_plain() && !is_choice) throw target_.no_field(row_where);
      return index_of(text, choices, where);
    }
    const Json value = target_.value(row, row_where);
    if (value.is_boolean()) return checked_index(value.get<bool>() ? 1 : 0, choices, where);
    if (value.is_number_integer()) {
      return checked_index(value > INT32_MAX ? INT32_MAX : value.get<std::int64_t>(), choices,
                           where);
    }
    if (value.is_string()) return index_of(value.get<std::string>(), choices, where);
    if (value.is_array()) {
      throw unsupported(where, "a list", "one right answer; several are not supported");
    }
    throw invalid(where, "neither a number nor a text", "an index or the text of a choice");
  }

  static int checked_index(std::int64_t index, const std::vector<std::string>& choices,
                           const std::string& where) {
    if (index >= 0 && index < static_cast<std::int64_t>(choices.size())) {
      return static_cast<int>(index);
    }
    throw invalid(where, fmt::format("answer {}", index),
                  fmt::format("an index in 0..{}; a split without answers cannot be scored",
                              choices.size() - 1));
  }

  static int index_of(const std::string& text, const std::vector<std::string>& choices,
                      const std::string& where) {
    const auto found = std::ranges::find(choices, text);
    if (found != choices.end()) return static_cast<int>(found - choices.begin());
    throw invalid(where, "a text that is none of the choices",
                  whole_number(text) ? "the text of one; write \"{{field}}\" for an index that is "
                                       "kept as text"
                                     : "the text of one, or an index");
  }

  std::string name_;
  std::string delimiter_;
  std::optional<Template> description_;
  Source text_;
  Source target_;
  std::vector<std::string> choices_;     ///< Of all rows, or
  std::optional<Source> choice_source_;  ///< of each row its own.
};

// ---- The task

void check_kind(const Settings& settings, const fs::path& yaml) {
  const TaskSetting& data = need(settings, "dataset_path", yaml);
  if (text_in(data) != "json") {
    throw unsupported(data.where, fmt::format("'{}'", one_line(text_in(data), 60)),
                      "json with dataset_kwargs.data_files; write the data into JSON lines");
  }
  const std::string type = text_or(settings, "output_type", "generate_until");
  if (type != "multiple_choice") {
    const TaskSetting* setting = find(settings, "output_type");
    throw unsupported(setting != nullptr ? setting->where : yaml.string(),
                      fmt::format("output_type '{}'", one_line(type, 60)), "multiple_choice");
  }
}

constexpr std::array<std::string_view, 3> kSplits{"training", "validation", "test"};

std::vector<std::string> splits_of(const Settings& settings) {
  std::vector<std::string> splits;
  for (const std::string_view split : kSplits) {
    if (find(settings, fmt::format("{}_split", split)) != nullptr) splits.emplace_back(split);
  }
  return splits;
}

const TaskSetting& split_setting(const Settings& settings, const std::string& split,
                                 const fs::path& yaml) {
  if (std::ranges::find(kSplits, split) == kSplits.end()) {
    throw invalid(yaml.string(), fmt::format("split '{}'", one_line(split, 60)),
                  "training, validation or test");
  }
  if (const auto* setting = find(settings, split + "_split")) return *setting;
  throw invalid(yaml.string(), fmt::format("has no {}_split", split),
                fmt::format("one of its own: {}", fmt::join(splits_of(settings), ", ")));
}

}  // namespace

LmEvalTask read_lm_eval_task(const fs::path& yaml, const std::string& split, std::size_t limit) {
  const Settings settings = read_task_settings(yaml);
  LmEvalTask task;
  task.name = text_in(need(settings, "task", yaml));
  task.splits = splits_of(settings);
  check_kind(settings, yaml);
  const TaskReader reader(settings, yaml, task.name);
  const TaskSetting& name = split_setting(settings, split, yaml);
  const fs::path file =
      data_file(need(settings, "dataset_kwargs", yaml), text_in(name), name.where);
  read_json_lines(file, [&](std::string_view line, const std::string& where) {
    task.examples.push_back(reader.example(Json::parse(line), where));
    return task.examples.size() != limit;  // 0 is never reached
  });
  if (task.examples.empty())
    throw invalid(file.string(), "holds no example", "JSON lines; add some");
  return task;
}

}  // namespace crayon
