#include "crayon/formats/task_file.h"

#include "crayon/formats/adapter_file.h"
#include "crayon/formats/internal/messages.h"
#include "crayon/formats/internal/task_info.h"

namespace crayon {

std::vector<std::byte> task_to_gguf(const Task& task, TensorType type) {
  AdapterFileOptions options;
  options.type = type;
  options.fill_rank = true;
  Adapter adapter = task.adapter;
  if (task.info) {
    const TaskInfo& info = *task.info;
    if (adapter.base_id.empty()) adapter.base_id = info.base.id();
    try {
      check_task_info(info, adapter.base_id, "task '" + info.name + "'");
    } catch (const Error& error) {
      throw Error(ErrorCode::InvalidArgument, error.what());
    }
    options.architecture = info.base.architecture;
    options.name = info.name;
    put_task_info(info, options.metadata);
  }
  return adapter_to_gguf(adapter, options);
}

Task task_from_gguf(const Gguf& gguf) {
  Task task;
  task.adapter = adapter_from_gguf(gguf);
  if (gguf.has(kTaskVersionKey)) {
    task.info = read_task_info(gguf);
    check_task_info(*task.info, task.adapter.base_id, gguf.file());
  }
  return task;
}

Task read_task(const std::filesystem::path& path) { return task_from_gguf(Gguf::open(path)); }

}  // namespace crayon
