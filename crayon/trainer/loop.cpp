// The training loop: opens what is needed, begins or resumes, steps, validates, saves, exports.
#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <ostream>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/progress.h"
#include "crayon/trainer/internal/checkpoint.h"
#include "crayon/trainer/internal/data.h"
#include "crayon/trainer/internal/export.h"
#include "crayon/trainer/internal/learner.h"
#include "crayon/trainer/internal/plan.h"
#include "crayon/trainer/internal/setup.h"
#include "crayon/trainer/internal/train_log.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;

FloatTensor to_tensor(const Matrix& matrix) { return {{matrix.rows, matrix.cols}, matrix.data}; }

Matrix matrix_of(const Checkpoint& checkpoint, const std::string& name) {
  const auto found = checkpoint.tensors.find(name);
  if (found == checkpoint.tensors.end() || found->second.shape.size() != 2) {
    throw Error(ErrorCode::CorruptFile,
                fmt::format("checkpoint: '{}' is missing or no matrix; use --restart", name));
  }
  Matrix matrix;
  matrix.rows = found->second.shape[0];
  matrix.cols = found->second.shape[1];
  matrix.data = found->second.data;
  return matrix;
}

class Run {
 public:
  Run(const TrainConfig& config, const TrainRunOptions& options, std::ostream& notes);

  TrainReport train();
  TrainReport export_newest();

 private:
  void begin();
  void resume(const Checkpoint& checkpoint);
  void make_learner(const Matrix& keys);
  void run_steps();
  void step();
  void log_step(const PlannedBatch& batch, const StepLosses& losses, double rate);
  void show_progress(Progress& progress);
  void save();
  void validate_now();
  [[nodiscard]] Checkpoint checkpoint() const;
  [[nodiscard]] double progress_share(double steps = 0, double samples = 0) const;
  [[nodiscard]] bool done() const { return progress_share() >= 1; }
  [[nodiscard]] bool slice_over() const;
  [[nodiscard]] ValidationInputs inputs() {
    return {config_, *network_, *cache_, *learner_, whitening_};
  }
  void finish();
  [[nodiscard]] TrainReport& report();

  const TrainConfig config_;
  const TrainRunOptions options_;
  std::ostream& notes_;
  const Clock::time_point start_ = Clock::now();
  CheckpointFolder folder_;
  std::optional<FolderLock> lock_;
  std::shared_ptr<Model> model_;
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

Run::Run(const TrainConfig& config, const TrainRunOptions& options, std::ostream& notes)
    : config_(config), options_(options), notes_(notes), folder_(config.train.checkpoints) {
  const auto newest = folder_.newest();
  lock_.emplace(config.train.checkpoints);
  if (newest && !options.restart && !options.resume && !options.export_only) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: a run was stopped here; use --resume to go on from it, or "
                            "--restart to throw it away and begin anew",
                            newest->string()));
  }
  std::optional<Checkpoint> stored;
  if (options.resume || options.export_only) stored = folder_.load_newest();

  set_threads(options.threads > 0 ? options.threads : config_.train.threads);
  model_ = open_model(find_base(config_, notes_));
  check_layers(config_, model_->base());
  items_ = load_items(config_, *model_, notes_);
  description_ = describe_run(config_, items_.sets);
  if (stored) check_same_run(*stored, description_, model_->base().sha256);
  plan_.emplace(make_plan(config_, items_.sets));
  const torch::Device device = find_device(config_.train.device);
  type_ =
      resolve_number_type(stored ? stored->number_type : config_.train.number_type, device, notes_);
  network_.emplace(*model_, NetworkOptions{.type = type_, .device = device});
  cache_.emplace(
      *network_,
      TrunkCacheOptions{.first_layer = config_.pool.first_layer,
                        .embedding = config_.gate.embedding,
                        .bytes = static_cast<std::uint64_t>(config_.train.cache_gib * 1073741824.0),
                        .batch_tokens = config_.train.batch_tokens},
      items_.count);
  if (stored) {
    resume(*stored);
  } else {
    begin();
  }
  if (options.restart) folder_.clear();  // not before all that can be refused or fail has gone well
  log_.emplace(folder_.log_file());
  first_step_ = step_;
  first_samples_ = samples_;
}

void Run::make_learner(const Matrix& keys) {
  learner_.emplace(*network_, config_, keys, reference_);
}

void Run::begin() {
  const auto sample =
      sample_mixture(config_, items_.sets, static_cast<std::size_t>(config_.gate.fit_prompts));
  Matrix h;
  {
    Progress progress(notes_, {.label = "gate", .total = sample.size(), .unit = "prompts"});
    h = cache_->embed(sample, [&](std::size_t done) {
      throw_if_interrupted();
      progress.set(done);
    });
  }
  const auto n_keys = static_cast<std::size_t>(config_.pool.n_adapters);
  if (h.rows < std::max<std::size_t>(n_keys, 2)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: {} training prompts for {} adapters; expected at least as many, "
                            "and 2; add examples or lower [pool] n_adapters",
                            config_.file.string(), h.rows, n_keys));
  }
  whitening_ = fit_whitening(h, static_cast<std::size_t>(config_.gate.dims));
  const Matrix z = whiten(whitening_, h);
  const auto kept = std::min(z.rows, static_cast<std::size_t>(config_.gate.reference));
  reference_ = Matrix(kept, z.cols);
  std::copy_n(z.data.begin(), reference_.data.size(), reference_.data.begin());
  make_learner(spherical_kmeans(z, n_keys, config_.train.seed));
}

Checkpoint Run::checkpoint() const {
  Checkpoint now;
  now.step = step_;
  now.samples = samples_;
  now.seconds = seconds_before_ + seconds_since(start_);
  now.base_sha256 = model_->base().sha256;
  now.number_type = to_string(type_);
  now.config = description_;
  now.plan = plan_->state();
  now.validation = validation_;
  now.tensors = learner_->tensors();
  now.tensors["gate.mean"] = {{1, whitening_.mean.size()}, whitening_.mean};
  now.tensors["gate.projection"] = to_tensor(whitening_.projection);
  now.tensors["gate.reference"] = to_tensor(reference_);
  return now;
}

void Run::resume(const Checkpoint& stored) {
  whitening_.mean = matrix_of(stored, "gate.mean").data;
  whitening_.projection = matrix_of(stored, "gate.projection");
  reference_ = matrix_of(stored, "gate.reference");
  make_learner(matrix_of(stored, "gate.keys"));
  learner_->load(stored.tensors);
  plan_->set_state(stored.plan);
  step_ = stored.step;
  samples_ = stored.samples;
  seconds_before_ = stored.seconds;
  validation_ = stored.validation;
  notes_ << fmt::format("resumed at step {}, {} samples", step_, samples_) << std::endl;
}

void Run::save() { folder_.save(checkpoint()); }

/// How much of the run is done once so much more is.
double Run::progress_share(double steps, double samples) const {
  const TrainLoopConfig& train = config_.train;
  return train.steps > 0
             ? (static_cast<double>(step_) + steps) / static_cast<double>(train.steps)
             : (static_cast<double>(samples_) + samples) / static_cast<double>(train.samples);
}

bool Run::slice_over() const {
  const double minutes =
      options_.slice_minutes > 0 ? options_.slice_minutes : config_.train.slice_minutes;
  if (options_.stop_after > 0 && step_ - first_step_ >= options_.stop_after) return true;
  return minutes > 0 && seconds_since(start_) >= minutes * 60;
}

void Run::step() {
  const PlannedBatch planned = plan_->next();
  std::vector<const TrainItem*> items;
  for (const std::size_t i : planned.items) items.push_back(&items_.sets[planned.set].train[i]);
  const ItemBatch batch = cache_->get(items);
  const Matrix z = whiten(whitening_, batch.h);
  const double middle = progress_share(0.5, 0.5 * static_cast<double>(items.size()));
  const double rate = rate_factor(config_.train, middle);
  const StepLosses losses = learner_->step(batch, z, planned.tilt, rate);
  if (!losses.finite()) {
    const auto kept = folder_.newest();
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("step {}, set '{}': the loss is {} and its gradient {}, expected "
                            "finite numbers; lower [train] learning_rate and use --restart ({})",
                            step_ + 1, items_.sets[planned.set].name, losses.total, losses.gradient,
                            kept ? kept->string() + " is kept" : "no checkpoint was written yet"));
  }
  ++step_;
  samples_ += static_cast<std::int64_t>(items.size());
  tokens_ += batch.hidden.size(0);
  log_step(planned, losses, rate);
}

void Run::log_step(const PlannedBatch& batch, const StepLosses& losses, double rate) {
  const double seconds = seconds_since(stepping_);
  report_.losses.push_back(losses.total);
  smooth_loss_ =
      report_.losses.size() == 1 ? losses.choice : 0.95 * smooth_loss_ + 0.05 * losses.choice;
  log_->step({.step = step_,
              .samples = samples_,
              .set = items_.sets[batch.set].name,
              .loss = losses.total,
              .choice = losses.choice,
              .answer = losses.answer,
              .balance = losses.balance,
              .diversity = losses.diversity,
              .gradient = losses.gradient,
              .tilt = batch.tilt,
              .rate = rate * config_.train.learning_rate,
              .samples_per_second = static_cast<double>(samples_ - first_samples_) / seconds});
}

void Run::show_progress(Progress& progress) {
  const double seconds = seconds_since(stepping_);
  const bool by_steps = config_.train.steps > 0;
  progress.set(static_cast<std::uint64_t>(by_steps ? step_ : samples_),
               fmt::format("step {}, {:.1f} samples/s, {:.0f} tokens/s, loss {:.3f}", step_,
                           static_cast<double>(samples_ - first_samples_) / seconds,
                           static_cast<double>(tokens_) / seconds, smooth_loss_));
}

void Run::validate_now() {
  validation_ = validate(inputs(), items_.sets, validation_);
  notes_ << fmt::format("step {}, {} samples\n", step_, samples_);
  print_validation(validation_, config_.gate.modulated ? config_.gate.max_tilt : 1, notes_);
  log_->validation(step_, validation_);
}

TrainReport& Run::report() {
  report_.folder = config_.pool.out;
  report_.steps = step_;
  report_.samples = samples_;
  report_.minutes = (seconds_before_ + seconds_since(start_)) / 60;
  report_.number_type = to_string(type_);
  report_.validation = validation_;
  return report_;
}

void Run::finish() {
  const Gate gate = make_gate(config_, whitening_, learner_->keys(), reference_);
  const Calibration calibration = fit_generic_calibration(inputs(), gate, items_.sets, notes_);
  export_pool(inputs(), gate, calibration, model_->base(), checkpoint(), items_.sets);
  report_.finished = true;
  notes_ << fmt::format("pool written to {}", config_.pool.out.string()) << std::endl;
  log_->finished(report());
}

/// Steps until the end or the end of the slice.
void Run::run_steps() {
  const TrainLoopConfig& train = config_.train;
  stepping_ = Clock::now();
  const auto total = train.steps > 0 ? train.steps : train.samples;
  Progress progress(notes_, {.label = "train",
                             .total = static_cast<std::uint64_t>(total),
                             .unit = train.steps > 0 ? "steps" : "samples"});
  while (!done() && !slice_over()) {
    step();
    show_progress(progress);
    throw_if_interrupted();
    if (train.validate_every > 0 && step_ % train.validate_every == 0 && !done()) validate_now();
    if (step_ % train.checkpoint_every == 0) save();
  }
  report_.samples_per_second =
      static_cast<double>(samples_ - first_samples_) / seconds_since(stepping_);
}

TrainReport Run::train() {
  try {
    run_steps();
  } catch (const Interrupted&) {
    save();  // between two steps nothing is half done
    throw;
  }
  save();
  if (!done()) {
    report_.note = fmt::format(
        "stopped after step {} ({:.0f} %); go on with: crayon train --config {} --resume", step_,
        100 * progress_share(), config_.file.string());
    notes_ << report_.note << std::endl;
    return report();
  }
  validate_now();
  save();
  finish();
  return report();
}

TrainReport Run::export_newest() {
  validate_now();
  finish();
  return report();
}

}  // namespace

TrainReport train_pool(const TrainConfig& config, const TrainRunOptions& options,
                       std::ostream& notes) {
  if (options.restart && (options.resume || options.export_only)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("--{} and --restart exclude each other; choose one",
                            options.resume ? "resume" : "export"));
  }
  Run run(config, options, notes);
  return options.export_only ? run.export_newest() : run.train();
}

}  // namespace crayon
