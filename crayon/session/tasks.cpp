#include "crayon/session/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/nearest.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestName = 64;

bool allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool is_task_name(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && name.front() != '.' &&
         name.front() != '-' && name != "base" && std::ranges::all_of(name, allowed);
}

bool is_path(const std::string& text) {
  return text.find('/') != std::string::npos || text.ends_with(".gguf");
}

Error no_task(const std::string& name) {
  const auto known = list_tasks();
  const auto near = nearest_names(name, known);
  const std::string hint = near.empty() ? "; `crayon task list` shows the stored ones"
                                        : fmt::format("; did you mean {}?", fmt::join(near, ", "));
  return {ErrorCode::NotFound,
          fmt::format("no task '{}' in {}{}", name, tasks_folder().string(), hint)};
}

}  // namespace

void check_task_name(const std::string& name) {
  if (is_task_name(name)) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("task name '{}' is not 1 to {} of A-Z a-z 0-9 . _ - (not starting with . "
                          "or -, and not 'base'); choose another with --name",
                          name.substr(0, kLongestName), kLongestName));
}

fs::path tasks_folder() { return data_folder() / "tasks"; }

fs::path task_path(const std::string& name) {
  check_task_name(name);
  return tasks_folder() / (name + ".gguf");
}

std::vector<std::string> list_tasks() {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(tasks_folder(), none)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".gguf" && is_task_name(name)) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

fs::path find_task(const std::string& name_or_file) {
  if (is_path(name_or_file)) return name_or_file;
  const auto known = list_tasks();
  if (std::ranges::find(known, name_or_file) != known.end()) return task_path(name_or_file);
  if (file_kind(name_or_file) == FileKind::File) return name_or_file;
  throw no_task(name_or_file);
}

OpenTask open_task(const std::string& name_or_file) {
  OpenTask task;
  task.first_layer = INT_MAX;
  if (name_or_file == "base") {
    task.name = name_or_file;
    return task;
  }
  task.file = find_task(name_or_file);
  Task read = read_task(task.file);
  task.info = std::move(read.info);
  // A stored task answers to the name it is stored under, whatever its maker called it.
  const bool stored = task.file.parent_path() == tasks_folder();
  task.name = task.info && !stored ? task.info->name : task.file.stem().string();
  if (task.info) task.prompt = task.info->prompt;
  for (const LoraTensor& tensor : read.adapter.tensors) {
    task.first_layer = std::min(task.first_layer, layer_of(tensor.name).value_or(0));
  }
  return task;
}

fs::path store_task(const std::string& name, std::span<const std::byte> bytes) {
  const fs::path file = task_path(name);
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) {
    throw Error(ErrorCode::Unavailable, fmt::format("cannot make the folder {}: {}",
                                                    file.parent_path().string(), error.message()));
  }
  write_atomically(file, bytes);
  return file;
}

void delete_task(const std::string& name) {
  std::error_code error;
  if (!fs::remove(task_path(name), error)) {
    if (!error) throw no_task(name);
    throw Error(ErrorCode::Unavailable,
                fmt::format("cannot delete {}: {}", task_path(name).string(), error.message()));
  }
}

}  // namespace crayon
