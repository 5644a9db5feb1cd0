// crayon blend: adapters of a pool and N weights in, one LoRA file out. Runs no model.
#include "crayon/adapter/blend.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <iostream>

#include "crayon/base/files.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/internal/finite.h"
#include "crayon/cli/report.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/pool/pool.h"

namespace crayon {
namespace {

struct BlendCommandArgs {
  CommonArgs common;
  BlendArgs blend;
  std::filesystem::path pool;
  std::vector<float> weights;
  std::string dtype = "f16";
  std::filesystem::path out;
};

void run_blend(const BlendCommandArgs& args, std::ostream& out) {
  check_output(args.out);
  BlendResult result{.file = args.out, .options = blend_options(args.blend)};
  Pool pool = Pool::open(args.pool);
  const auto start = std::chrono::steady_clock::now();
  const Blend blend = pool.blend(args.weights, result.options);
  AdapterFileOptions file;
  file.architecture = pool.manifest().base.architecture;
  file.name = args.out.stem().string();
  file.type = parse_tensor_type(args.dtype);
  file.fill_rank = true;
  const auto bytes = adapter_to_gguf(blend.adapter, file);
  write_atomically(args.out, bytes);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.rank = max_rank(blend.adapter);
  result.relative_error = blend.relative_error;
  result.bytes = bytes.size();
  out << (args.common.json ? blend_json(result) + "\n" : blend_text(result));
}

}  // namespace

void add_blend_command(CLI::App& app) {
  auto args = std::make_shared<BlendCommandArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand("blend", "Blend adapters of a pool into one GGUF file");
  cmd->add_option("--pool", args->pool, "Pool folder")->required();
  cmd->add_option("--weights", args->weights, "N numbers, one for each gated adapter")
      ->delimiter(',')
      ->check(finite_number())
      ->required();
  add_blend_options(*cmd, args->blend);
  cmd->add_option("--dtype", args->dtype, "Number type of the file: f32, f16, bf16 or q8_0")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0"}));
  cmd->add_option("-o,--out", args->out, "File to write; replaced in one step")->required();
  add_common_options(*cmd, args->common);
  add_json_option(*cmd, args->common);
  cmd->callback([args] { run_blend(*args, std::cout); });
}

}  // namespace crayon
