#include "crayon/cli/internal/program_world_test.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "crayon/base/files.h"
#include "crayon/base/random.h"
#include "crayon/formats/model_file.h"
#include "crayon/pool/pool.h"

namespace crayon {
namespace {

constexpr std::size_t kAdapters = 3;

void write_pool_of(const std::filesystem::path& model, const std::filesystem::path& folder) {
  const RandomModelOptions shape;
  PoolManifest manifest;
  manifest.name = "tiny";
  manifest.base = describe_model(model);
  manifest.first_layer = 1;
  manifest.prompt.without_context = "{question}";
  std::vector<Adapter> adapters;
  for (std::size_t i = 0; i < kAdapters; ++i) {
    adapters.push_back(random_model_adapter(shape, 1, 2, 10 + i));
    adapters.back().base_id = manifest.base.id();
    manifest.adapters.push_back({.name = fmt::format("a{}", i),
                                 .file = fmt::format("adapters/a{}.gguf", i),
                                 .sha256 = {},
                                 .rank = 2,
                                 .trained_on = {"nothing"},
                                 .licence = "none"});
  }
  const auto d = static_cast<std::size_t>(shape.d_model);
  Rng rng(4);
  Gate gate;
  gate.embedding = {1, Pooling::Last};
  gate.whitening.mean.assign(d, 0.0f);
  gate.whitening.projection = Matrix(4, d);
  for (float& x : gate.whitening.projection.data) x = static_cast<float>(rng.normal());
  Matrix keys(kAdapters, d);
  for (float& x : keys.data) x = static_cast<float>(rng.normal());
  gate.keys = whiten(gate.whitening, keys);
  write_pool(folder, manifest, gate, adapters);
}

std::string examples() {
  std::string lines;
  for (int k = 0; k < 8; ++k) {
    lines += fmt::format(
        R"({{"id":"e{}","question":"secret{} ok","choices":["yes","no","maybe"],"answer":{}}})", k,
        k, k % 3);
    lines += "\n";
  }
  return lines;
}

}  // namespace

ProgramWorld::ProgramWorld() {
  write_random_model(path("model.gguf"));
  write_pool_of(path("model.gguf"), path("pool"));
  write("examples.jsonl", examples());
  std::filesystem::create_directories(path("home"));
  std::filesystem::create_directories(path("run"));
}

void ProgramWorld::write(const std::string& name, const std::string& text) const {
  write_atomically(path(name), text);
}

ProgramRun ProgramWorld::run(const std::string& args, const std::string& input,
                             const std::string& settings) const {
  const char* program = std::getenv("CRAYON_BIN");
  if (program == nullptr) throw std::runtime_error("CRAYON_BIN is not set: run this by ctest");
  write("run/in", input);
  const std::string command = fmt::format(
      "cd {0} && exec env CRAYON_HOME={0}/home CRAYON_CACHE={0}/run XDG_CONFIG_HOME={0}/config "
      "CRAYON_THREADS=1 {1} {2} {3} <run/in >run/out 2>run/notes",
      folder_.path().string(), settings, program, args);
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          read_text(path("run/out")), read_text(path("run/notes"))};
}

std::vector<std::string> ProgramWorld::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    const std::string name = std::filesystem::relative(entry.path(), folder_.path()).string();
    if (entry.is_regular_file() && !name.starts_with("run/")) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace crayon
