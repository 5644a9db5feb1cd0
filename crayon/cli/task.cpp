// crayon task list|show|add|strip|delete.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "crayon/base/files.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/report.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/session/tasks.h"

namespace crayon {
namespace {

struct TaskArgs {
  CommonArgs common;
  std::string task;
  std::string name;
  std::filesystem::path out;
};

std::string task_line(const std::string& name, const Task& task) {
  if (!task.info) return fmt::format("{}  LoRA of rank {}\n", name, max_rank(task.adapter));
  return fmt::format("{}  {} examples, pool {}, kept {}\n", name, task.info->n_examples,
                     task.info->pool_id, task.info->kept);
}

void run_list(const TaskArgs& args, std::ostream& out) {
  std::vector<ListedFile> files;
  for (const std::string& name : list_tasks()) files.push_back({name, task_path(name)});
  out << list_report("tasks", args.common.json, files, [&](const ListedFile& file) {
    const Task task = read_task(file.path);
    return args.common.json ? task_json(file.path, task) : task_line(file.name, task);
  });
}

void run_show(const TaskArgs& args, std::ostream& out) {
  const auto file = find_task(args.task);
  const Task task = read_task(file);
  out << (args.common.json ? task_json(file, task) + "\n" : task_text(file, task));
}

void run_add(const TaskArgs& args, std::ostream& out) {
  (void)read_task(args.task);
  const auto bytes = read_file(args.task);
  const std::string name =
      args.name.empty() ? std::filesystem::path(args.task).stem().string() : args.name;
  out << store_task(name, bytes).string() << '\n';
}

void run_strip(const TaskArgs& args, std::ostream& out) {
  check_output(args.out);
  const Gguf gguf = Gguf::open(find_task(args.task));
  AdapterFileOptions options;
  options.architecture = gguf.text("general.architecture");
  options.name = args.out.stem().string();
  options.type = lora_type(gguf);
  options.fill_rank = true;
  write_atomically(args.out, adapter_to_gguf(adapter_from_gguf(gguf), options));
  out << args.out.string() << '\n';
}

void run_delete(const TaskArgs& args, std::ostream& notes) {
  delete_task(args.task);
  if (!args.common.quiet) notes << "deleted task " << args.task << '\n';
}

CLI::App* add(CLI::App& parent, const std::string& name, const std::string& what,
              const std::shared_ptr<TaskArgs>& args) {
  CLI::App* cmd = parent.add_subcommand(name, what);
  add_common_options(*cmd, args->common);
  if (name != "list") {
    cmd->add_option("task,--task", args->task, "Name of a task, or a file")->required();
  }
  if (name == "list" || name == "show") add_json_option(*cmd, args->common);
  return cmd;
}

}  // namespace

void add_task_commands(CLI::App& app) {
  auto args = std::make_shared<TaskArgs>();  // shared with the callbacks, which outlive us
  CLI::App* task = app.add_subcommand("task", "List, show, add, strip and delete tasks");
  task->require_subcommand(1);
  add(*task, "list", "The stored tasks", args)->callback([args] { run_list(*args, std::cout); });
  add(*task, "show", "What a task holds", args)->callback([args] { run_show(*args, std::cout); });
  CLI::App* store = add(*task, "add", "Store a task file or any LoRA GGUF", args);
  store->add_option("--name", args->name, "Its name; default: the file's");
  store->callback([args] { run_add(*args, std::cout); });
  CLI::App* strip = add(*task, "strip", "Write the adapter alone, for sharing", args);
  strip->add_option("-o,--out", args->out, "File to write; replaced in one step")->required();
  strip->callback([args] { run_strip(*args, std::cout); });
  add(*task, "delete", "Delete a stored task", args)->callback([args] {
    run_delete(*args, std::cerr);
  });
}

}  // namespace crayon
