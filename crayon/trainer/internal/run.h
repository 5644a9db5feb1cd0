// One training run from its config to its pool: run_setup.cpp begins or resumes it, loop.cpp does
// the steps. With several workers each has a Run; worker 0's alone writes.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crayon/base/progress.h"
#include "crayon/engine/engine.h"
#include "crayon/trainer/internal/checkpoint.h"
#include "crayon/trainer/internal/data.h"
#include "crayon/trainer/internal/learner.h"
#include "crayon/trainer/internal/plan.h"
#include "crayon/trainer/internal/pool_place.h"
#include "crayon/trainer/internal/process_group.h"
#include "crayon/trainer/internal/train_log.h"
#include "crayon/trainer/internal/validate.h"
#include "crayon/trainer/train.h"

namespace crayon {

class Run {
 public:
  Run(const TrainConfig& config, const TrainRunOptions& options, ProcessGroup& group,
      std::ostream& notes);

  TrainReport train();
  TrainReport export_newest();

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] std::optional<Checkpoint> open_folder();
  void check_out(const std::optional<Checkpoint>& stored);
  void open_inputs();
  void open_shared();
  void start(const std::optional<Checkpoint>& stored);
  void begin();
  void resume(const Checkpoint& checkpoint);
  void share_state();
  void make_learner(const Matrix& keys);
  void run_steps();
  void step();
  [[noreturn]] void refuse_losses(const PlannedBatch& batch, const StepLosses& losses);
  void log_step(const PlannedBatch& batch, const StepLosses& losses, double rate);
  void show_progress(Progress& progress);
  void save();
  void validate_now();
  [[nodiscard]] Checkpoint checkpoint() const;
  [[nodiscard]] double progress_share(double steps = 0, double samples = 0) const;
  [[nodiscard]] bool done() const { return progress_share() >= 1; }
  [[nodiscard]] bool slice_over() const;
  [[nodiscard]] ValidationInputs inputs() {
    return {config_, *network_, *cache_, *learner_, whitening_, group_};
  }
  [[nodiscard]] OwnPool own_pool(std::vector<std::string> config) const;
  void finish();
  [[nodiscard]] TrainReport& report();

  TrainConfig config_;  ///< With the rank of shared_from, once that is open; constant from then on.
  const TrainRunOptions options_;
  ProcessGroup& group_;
  std::ostream& notes_;
  const Clock::time_point start_ = Clock::now();
  CheckpointFolder folder_;
  std::optional<FolderLock> lock_;  ///< Folder and log are worker 0's.
  std::string replaces_;            ///< See OwnPool; worker 0's too.
  std::filesystem::path base_file_;
  std::shared_ptr<Model> model_;
  std::optional<Adapter> shared_from_;
  LoadedItems items_;
  std::vector<std::string> description_;
  std::optional<BatchPlan> plan_;
  std::optional<Network> network_;
  std::optional<TrunkCache> cache_;
  std::optional<Learner> learner_;
  std::optional<TrainLog> log_;
  Whitening whitening_;
  Matrix reference_;  ///< z of prompts of the mixture
  NumberType type_ = NumberType::F32;

  std::int64_t step_ = 0, samples_ = 0;
  std::int64_t first_step_ = 0, first_samples_ = 0;  ///< Where this call began,
  std::int64_t tokens_ = 0;                          ///< tokens that it has seen,
  Clock::time_point stepping_;                       ///< and when its first step did.
  double seconds_before_ = 0;                        ///< Of earlier slices.
  double smooth_loss_ = 0;
  std::vector<TrainValidation> validation_;
  TrainReport report_;
};

}  // namespace crayon
