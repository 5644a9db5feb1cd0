// crayon convert: an adapter from one form to another, a task's or a blend's GGUF to a PEFT folder
// or a PEFT folder to a GGUF. Runs no model; reads its header for shapes and heads.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/formats/import_adapter.h"
#include "crayon/formats/model_file.h"
#include "crayon/formats/peft.h"
#include "crayon/formats/task_file.h"
#include "crayon/session/tasks.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

struct ConvertArgs {
  CommonArgs common;
  ModelArgs model;
  std::string adapter;  ///< A task's name, a GGUF or a PEFT folder.
  std::string to;
  std::string base_name;
  std::string dtype = "f16";
  fs::path out;
};

/// A folder, a file, or a task's name.
fs::path find_adapter(const std::string& name) {
  return file_kind(name) == FileKind::Folder ? fs::path(name) : find_task(name);
}

/// What a task file says of its base, so that the model need not be named.
std::optional<BaseModel> base_of_task(const fs::path& path) {
  if (file_kind(path) != FileKind::File) return std::nullopt;
  const Task task = read_task(path);
  if (!task.info) return std::nullopt;
  return task.info->base;
}

void run_convert(const ConvertArgs& args, std::ostream& out, std::ostream& notes) {
  const fs::path path = find_adapter(args.adapter);
  const auto wanted = base_of_task(path);
  const fs::path model =
      base_model_file(args.model, wanted ? &*wanted : nullptr, args.common, notes);
  const Gguf gguf = Gguf::open(model);
  const BaseModel base = describe_model(model);
  ImportedAdapter imported = import_adapter(path, gguf, base);
  if (args.to == "peft") {
    write_peft(args.out, imported.adapter, {.base = base, .base_model = args.base_name});
  } else {
    AdapterFileOptions options;
    options.architecture = base.architecture;
    options.name = args.out.stem().string();
    options.type = parse_tensor_type(args.dtype);
    options.fill_rank = true;
    write_atomically(args.out, adapter_to_gguf(imported.adapter, options));
  }
  const std::size_t rank = max_rank(imported.adapter);
  const std::size_t tensors = imported.adapter.tensors.size();
  if (args.common.json) {
    const nlohmann::ordered_json json{
        {"file", args.out.string()}, {"from", imported.form}, {"to", args.to},
        {"base", base.name},         {"rank", rank},          {"matrices", tensors}};
    out << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    out << fmt::format("wrote    {} ({}, {} matrices of rank {}, for {})\n", args.out.string(),
                       args.to, tensors, rank, base.name);
  }
}

}  // namespace

void add_convert_command(CLI::App& app) {
  auto args = std::make_shared<ConvertArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd =
      app.add_subcommand("convert", "Turn an adapter into a PEFT folder or a GGUF file");
  cmd->add_option("adapter,--adapter", args->adapter,
                  "A task's name, a LoRA GGUF file or a PEFT folder")
      ->required();
  cmd->add_option("--to", args->to, "peft, a folder for Hugging Face PEFT, or gguf, for llama.cpp")
      ->required()
      ->check(CLI::IsMember({"peft", "gguf"}));
  cmd->add_option("-o,--out", args->out, "Folder (new) or file (replaced in one step)")->required();
  cmd->add_option("--base-name", args->base_name,
                  "What PEFT calls the base model (base_model_name_or_path)");
  cmd->add_option("--dtype", args->dtype, "Number type of a GGUF file: f32, f16, bf16 or q8_0")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0"}));
  cmd->add_option("--model", args->model.model,
                  "Base model: a GGUF file or a name of `crayon models list`");
  add_common_options(*cmd, args->common);
  add_json_option(*cmd, args->common);
  cmd->callback([args] { run_convert(*args, std::cout, std::cerr); });
}

}  // namespace crayon
