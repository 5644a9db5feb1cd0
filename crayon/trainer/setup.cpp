#include "crayon/trainer/internal/setup.h"

#include <fmt/format.h>
#include <torch/cuda.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/random.h"
#include "crayon/models/models.h"
#include "crayon/trainer/internal/checkpoint.h"

namespace crayon {

namespace fs = std::filesystem;
using Json = nlohmann::json;

fs::path find_base(const TrainConfig& config, std::ostream& notes) {
  const fs::path beside = config.file.parent_path() / config.pool.base;
  std::error_code ignored;
  if (fs::is_regular_file(beside, ignored)) return beside;
  std::string step;
  return resolve_model(config.pool.base, [&](const FetchProgress& progress) {
    throw_if_interrupted();
    if (progress.step == step) return;
    step = progress.step;
    notes << config.pool.base << ": " << step << std::endl;
  });
}

fs::path find_base(const TrainConfig& config, ProcessGroup& group, std::ostream& notes) {
  fs::path base;
  const bool first = group.place().local_rank == 0;
  if (first) base = find_base(config, notes);
  group.meet("base");
  return first ? base : find_base(config, notes);
}

void set_threads(int threads, const WorkerPlace& place) {
  if (threads == 0) threads = static_cast<int>(std::thread::hardware_concurrency());
  torch::set_num_threads(std::max(1, threads / place.local_size));
}

torch::Device find_device(const std::string& name, const WorkerPlace& place) {
  const bool there = torch::cuda::is_available();
  if (name == "cuda" && !there) {
    throw Error(ErrorCode::Unsupported,
                "[train] device is 'cuda', but this libtorch finds no GPU; set it to 'auto' or "
                "build with a libtorch that has CUDA");
  }
  if (name == "cpu" || !there) return torch::kCPU;
  const auto gpu = place.local_rank % static_cast<int>(torch::cuda::device_count());
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(gpu)};
}

NumberType resolve_number_type(const std::string& name, torch::Device device, std::ostream& notes) {
  if (name != "auto") return parse_number_type(name);
  const NumberTypeTiming timing = time_number_types(device);
  const NumberType type = choose_number_type(timing);
  notes << fmt::format("number type {}: f32 {:.0f} GFLOP/s, bf16 {:.0f} GFLOP/s", to_string(type),
                       timing.f32, timing.bf16)
        << std::endl;
  return type;
}

void check_layers(const TrainConfig& config, const BaseModel& base) {
  const auto refuse = [&](const std::string& key, int value, int least, int most) {
    if (value >= least && value <= most) return;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: {} is {}; expected {} to {} for the base '{}'",
                            config.file.string(), key, value, least, most, base.name));
  };
  refuse("[pool] first_layer", config.pool.first_layer, 0, base.n_layers - 1);
  refuse("[gate] layer", config.gate.embedding.layer, 0, base.n_layers - 1);
  refuse("[gate] dims", config.gate.dims, 1, base.d_model);
}

std::vector<std::string> describe_run(const TrainConfig& config, std::span<const ItemSet> sets) {
  auto lines = describe_train_config(config);
  for (const ItemSet& set : sets) {
    lines.push_back(fmt::format("data.{} = {}", set.name, set.sha256));
  }
  return lines;
}

void check_same_everywhere(ProcessGroup& group, std::vector<std::string> description,
                           const std::string& base_sha256) {
  if (group.size() == 1) return;
  description.push_back("base.sha256 = " + base_sha256);
  const Json theirs = Json::parse(group.from_leader("run", Json(description).dump()));
  const std::string changed = changed_lines(theirs.get<std::vector<std::string>>(), description);
  if (changed.empty()) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("its config, data or base are not those of worker 0: {}; give all "
                          "workers the same files",
                          changed));
}

BatchPlan make_plan(const TrainConfig& config, std::span<const ItemSet> sets) {
  std::vector<std::vector<int>> lengths;
  std::vector<double> weights;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    lengths.emplace_back();
    for (const TrainItem& item : sets[i].train) lengths.back().push_back(item.length);
    weights.push_back(config.sets[i].weight);
  }
  return {std::move(lengths),
          std::move(weights),
          {.seed = config.train.seed,
           .batch_tokens = config.train.batch_tokens,
           .modulated = config.gate.modulated,
           .zero_tilt_share = config.gate.zero_tilt_share,
           .least_tilt = config.gate.least_tilt,
           .drop_nearest = config.gate.drop_nearest}};
}

std::vector<const TrainItem*> sample_mixture(const TrainConfig& config,
                                             std::span<const ItemSet> sets, std::size_t n) {
  double sum = 0;
  for (const TrainSet& set : config.sets) sum += set.weight;
  Rng rng(config.train.seed, "mixture");
  std::vector<const TrainItem*> sample;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    std::vector<const TrainItem*> all;
    for (const TrainItem& item : sets[i].train) all.push_back(&item);
    rng.shuffle(all);
    const double share = config.sets[i].weight / sum * static_cast<double>(n);
    all.resize(std::min(all.size(), static_cast<std::size_t>(std::ceil(share))));
    sample.insert(sample.end(), all.begin(), all.end());
  }
  rng.shuffle(sample);
  return sample;
}

}  // namespace crayon
