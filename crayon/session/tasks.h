// The user's tasks as files in one folder, data_folder()/tasks/NAME.gguf, and opening any of them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crayon/formats/task_file.h"

namespace crayon {

/// A task ready to be set on an engine.
struct OpenTask {
  std::string name;              ///< As it is stored, else its own or its file's stem; or "base".
  std::filesystem::path file;    ///< Empty for "base": no adapter.
  std::optional<TaskInfo> info;  ///< None for "base" and for LoRA files of other tools.
  PromptFormat prompt;           ///< The task's own, or the default.
  int first_layer = 0;           ///< Lowest layer that the adapter changes.
};

/// @throws Error InvalidArgument  a name that is not 1 to 64 of A-Z a-z 0-9 . _ -, starts with "."
///                                or is "base"
void check_task_name(const std::string& name);

[[nodiscard]] std::filesystem::path tasks_folder();
/// Where a task of that name lies or would lie. @throws Error InvalidArgument  as check_task_name()
[[nodiscard]] std::filesystem::path task_path(const std::string& name);
/// Names of the stored tasks, sorted; files whose names check_task_name() refuses are left out.
[[nodiscard]] std::vector<std::string> list_tasks();

/// The file of a task: a path (with a slash or ending in .gguf), a stored name, or else a file.
/// @throws Error NotFound  with the nearest stored names
[[nodiscard]] std::filesystem::path find_task(const std::string& name_or_file);

/// "base", a stored name or any LoRA GGUF. @throws Error NotFound, CorruptFile, Unsupported
[[nodiscard]] OpenTask open_task(const std::string& name_or_file);

/// Stores a task's bytes under its name, in one step; makes the folder.
/// @return the file @throws Error InvalidArgument, Unavailable
std::filesystem::path store_task(const std::string& name, std::span<const std::byte> bytes);
/// @throws Error NotFound  with the nearest stored names
void delete_task(const std::string& name);

}  // namespace crayon
