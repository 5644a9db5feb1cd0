// The settings of a task in YAML, with those of the files that it includes, as JSON values: what
// the rest of the reader knows of YAML.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace crayon {

using Json = nlohmann::json;

struct TaskSetting {
  Json value;  ///< Every scalar is a text, as it is written; null where the file says so.
  std::filesystem::path file;
  std::string where;  ///< "file:line: key", for messages.
};

/// The settings that Crayon reads, by name; those of a file stand above those of what it includes.
/// Settings that change nothing here (metrics, tags, few-shot sampling, ...) are left out.
/// @throws Error NotFound         the file or one that it includes
/// @throws Error InvalidArgument  no YAML (with the line), a key twice, an unknown key, an unquoted
///                                yes, no, true or false
/// @throws Error Unsupported      a setting of lm-evaluation-harness that needs Python; a group
[[nodiscard]] std::map<std::string, TaskSetting> read_task_settings(
    const std::filesystem::path& yaml);

}  // namespace crayon
