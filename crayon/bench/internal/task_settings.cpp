#include "crayon/bench/internal/task_settings.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/nearest.h"
#include "crayon/base/text.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Settings = std::map<std::string, TaskSetting>;

constexpr std::uint64_t kMostBytes = 1 << 20;
constexpr std::size_t kMostIncludes = 8;
constexpr int kMostDepth = 16;

enum class Use { Read, Ignored, Refused };
struct Key {
  std::string_view name;
  Use use;
};
constexpr std::array kKeys{
    Key{"task", Use::Read},
    Key{"include", Use::Read},
    Key{"dataset_path", Use::Read},
    Key{"dataset_kwargs", Use::Read},
    Key{"output_type", Use::Read},
    Key{"training_split", Use::Read},
    Key{"validation_split", Use::Read},
    Key{"test_split", Use::Read},
    Key{"description", Use::Read},
    Key{"doc_to_text", Use::Read},
    Key{"doc_to_choice", Use::Read},
    Key{"doc_to_target", Use::Read},
    Key{"target_delimiter", Use::Read},
    Key{"batch_size", Use::Ignored},
    Key{"dataset_name", Use::Ignored},
    Key{"doc_to_decontamination_query", Use::Ignored},
    Key{"fewshot_config", Use::Ignored},
    Key{"fewshot_delimiter", Use::Ignored},
    Key{"fewshot_split", Use::Ignored},
    Key{"group", Use::Ignored},
    Key{"metadata", Use::Ignored},
    Key{"metric_list", Use::Ignored},
    Key{"num_fewshot", Use::Ignored},
    Key{"repeats", Use::Ignored},
    Key{"should_decontaminate", Use::Ignored},
    Key{"tag", Use::Ignored},
    Key{"task_alias", Use::Ignored},
    Key{"class", Use::Refused},
    Key{"custom_dataset", Use::Refused},
    Key{"doc_to_audio", Use::Refused},
    Key{"doc_to_image", Use::Refused},
    Key{"filter_list", Use::Refused},
    Key{"gen_prefix", Use::Refused},
    Key{"process_docs", Use::Refused},
    Key{"process_results", Use::Refused},
    Key{"use_prompt", Use::Refused},
};

std::string names_of(Use use) {
  std::string names;
  for (const Key& key : kKeys) {
    if (key.use == use) names += (names.empty() ? "" : ", ") + std::string(key.name);
  }
  return names;
}

std::string location(const fs::path& file, const YAML::Mark& mark) {
  if (mark.is_null()) return file.string();
  return fmt::format("{}:{}", file.string(), mark.line + 1);
}

Use use_of(const std::string& name, const std::string& where) {
  const auto found = std::ranges::find(kKeys, name, &Key::name);
  if (found != kKeys.end()) return found->use;
  std::vector<std::string> known;
  for (const Key& key : kKeys) known.emplace_back(key.name);
  const auto near = nearest_names(name, known);
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}: unknown key '{}', expected one of {}; mend or remove it", where,
                          one_line(name, 60),
                          fmt::join(near.empty() ? std::vector{names_of(Use::Read)} : near, ", ")));
}

/// The words that YAML 1.1 takes for true or false.
bool is_yes_or_no(const std::string& text) {
  static const std::set<std::string> words{"yes", "no", "true", "false", "on", "off"};
  return words.contains(lowered(text));
}

Json scalar(const YAML::Node& node, const std::string& where) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "?" && is_yes_or_no(text)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: an unquoted {}, which YAML takes for true or false, expected a "
                            "text; put it in quotes",
                            where, text));
  }
  return text;
}

void check_tag(const YAML::Node& node, const std::string& where) {
  const std::string& tag = node.Tag();
  if (!tag.starts_with('!') || tag == "!") return;  // "!" alone: a text in quotes
  throw Error(
      ErrorCode::Unsupported,
      fmt::format("{}: {}, expected a text or a list; functions in Python are not supported, "
                  "write their result into the data",
                  where, one_line(tag + " " + (node.IsScalar() ? node.Scalar() : ""), 60)));
}

Json json_of(const YAML::Node& node, const std::string& where, int depth = 0) {
  check_tag(node, where);
  if (depth > kMostDepth) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: nested deeper than {}; make it flat", where, kMostDepth));
  }
  if (node.IsScalar()) return scalar(node, where);
  if (node.IsSequence()) {
    Json list = Json::array();
    for (const auto& item : node) list.push_back(json_of(item, where, depth + 1));
    return list;
  }
  if (!node.IsMap()) return nullptr;
  Json object = Json::object();
  for (const auto& entry : node) {
    const Json key = json_of(entry.first, where, depth + 1);
    if (key.is_string()) object[key.get<std::string>()] = json_of(entry.second, where, depth + 1);
  }
  return object;
}

YAML::Node parse_file(const fs::path& file) {
  const std::string text = read_text(file, kMostBytes);
  try {
    YAML::Node node = YAML::Load(text);
    if (node.IsMap()) return node;
  } catch (const YAML::Exception& e) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: no YAML ({}), expected a task of lm-evaluation-harness; mend it",
                            location(file, e.mark), e.msg));
  }
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}: no map of keys, expected a task of lm-evaluation-harness, such as "
                          "\"task: name\"; mend it",
                          file.string()));
}

Error refused(const std::string& where) {
  return {
      ErrorCode::Unsupported,
      fmt::format("{} is not supported, expected a task of {}; write what it does into the data, "
                  "and remove it",
                  where, names_of(Use::Read))};
}

/// The settings of one file alone.
Settings own_settings(const fs::path& file) {
  Settings settings;
  std::set<std::string> seen;
  for (const auto& entry : parse_file(file)) {
    const std::string line = location(file, entry.first.Mark());
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const std::string where = fmt::format("{}: {}", line, one_line(name, 60));
    if (!seen.insert(name).second) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{} is there twice, expected each key once; remove one", where));
    }
    const Use use = use_of(name, line);
    if (use == Use::Refused && !entry.second.IsNull()) throw refused(where);
    if (use == Use::Read) settings[name] = {json_of(entry.second, where), file, where};
  }
  return settings;
}

/// The file that `settings` names under "include", or "".
fs::path included(const Settings& settings) {
  const auto found = settings.find("include");
  if (found == settings.end() || found->second.value.is_null()) return {};
  const TaskSetting& include = found->second;
  if (!include.value.is_string()) {
    throw Error(
        ErrorCode::Unsupported,
        include.where + " is no text, expected the name of one file; include one at a time");
  }
  return include.file.parent_path() / include.value.get<std::string>();
}

}  // namespace

Settings read_task_settings(const fs::path& yaml) {
  Settings settings = own_settings(yaml);
  fs::path next = included(settings);
  for (std::size_t n = 0; !next.empty(); ++n) {
    if (n == kMostIncludes) {
      throw Error(
          ErrorCode::InvalidArgument,
          fmt::format("{}: includes more than {} files, one in another; perhaps in a circle",
                      yaml.string(), kMostIncludes));
    }
    Settings below = own_settings(next);
    next = included(below);
    settings.merge(below);  // what is there already stays
  }
  return settings;
}

}  // namespace crayon
