// What a training run needs before its first step, worked out from its config.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "crayon/formats/base_model.h"
#include "crayon/trainer/internal/data.h"
#include "crayon/trainer/internal/number_type.h"
#include "crayon/trainer/internal/plan.h"
#include "crayon/trainer/internal/process_group.h"
#include "crayon/trainer/train.h"

namespace crayon {

/// The base's GGUF: a file beside the config, a file, or a name of the manifest, which is fetched.
/// @throws as resolve_model()
[[nodiscard]] std::filesystem::path find_base(const TrainConfig& config, std::ostream& notes);

/// find_base() by all workers: the first of each machine before the others, as it may fetch a file
/// that they then find.
[[nodiscard]] std::filesystem::path find_base(const TrainConfig& config, ProcessGroup& group,
                                              std::ostream& notes);

/// Threads of a machine, shared by its workers; 0: one for each core.
void set_threads(int threads, const WorkerPlace& place);

/// On a GPU the machine's workers take one each, in turn.
/// @throws Error Unsupported  "cuda" where torch finds no GPU
[[nodiscard]] torch::Device find_device(const std::string& name, const WorkerPlace& place);

/// "auto" by timing, which it says on `notes`.
[[nodiscard]] NumberType resolve_number_type(const std::string& name, torch::Device device,
                                             std::ostream& notes);

/// @throws Error InvalidArgument  a layer or number of dims that the base does not have
void check_layers(const TrainConfig& config, const BaseModel& base);

/// What decides the numbers: the lines of the config, and which data it was.
[[nodiscard]] std::vector<std::string> describe_run(const TrainConfig& config,
                                                    std::span<const ItemSet> sets);

/// Do all workers have the run, the data and the base of worker 0? Else they would train apart.
/// @throws Error InvalidArgument  names what differs; the worker is named by run_worker()
void check_same_everywhere(ProcessGroup& group, std::vector<std::string> description,
                           const std::string& base_sha256);

[[nodiscard]] BatchPlan make_plan(const TrainConfig& config, std::span<const ItemSet> sets);

/// About `n` training items of the mixture, each once: of a set as many as its weight says, or all.
[[nodiscard]] std::vector<const TrainItem*> sample_mixture(const TrainConfig& config,
                                                           std::span<const ItemSet> sets,
                                                           std::size_t n);

}  // namespace crayon
