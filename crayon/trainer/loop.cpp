// The training loop: steps, validates, saves, exports.
#include <fmt/format.h>
#include <torch/utils.h>

#include <ostream>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/trainer/internal/export.h"
#include "crayon/trainer/internal/run.h"
#include "crayon/trainer/internal/work_share.h"

namespace crayon {

void Run::save() {
  if (group_.leads()) folder_.save(checkpoint());
}

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
  const auto owners = share_out(items, group_.size());
  std::vector<std::size_t> own;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (owners[i] == group_.rank()) own.push_back(i);
  }
  std::optional<ItemBatch> batch;
  Matrix own_z;
  if (!own.empty()) {
    batch = cache_->get(pick(items, own));
    own_z = whiten(whitening_, batch->h);
  }
  const Matrix z = join_rows(own_z, own, items.size(), reference_.cols, group_);
  const StagePoint at =
      stage_at(config_, progress_share(0.5, 0.5 * static_cast<double>(items.size())));
  const double rate = rate_factor(config_.train, at.progress);
  const StepLosses losses = learner_->step({.own = batch ? &*batch : nullptr,
                                            .z = z,
                                            .tilt = planned.tilt,
                                            .drop_nearest = planned.drop_nearest,
                                            .rate = rate,
                                            .stage = at.stage});
  if (!losses.finite()) refuse_losses(planned, losses);
  ++step_;
  samples_ += static_cast<std::int64_t>(items.size());
  tokens_ += static_cast<std::int64_t>(losses.tokens);
  log_step(planned, losses, rate);
}

/// The same on all workers; said by worker 0, which knows what is kept.
void Run::refuse_losses(const PlannedBatch& batch, const StepLosses& losses) {
  if (!group_.leads()) group_.meet("losses that are not finite");
  const auto kept = folder_.newest();
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("step {}, set '{}': the loss is {} and its gradient {}, expected "
                          "finite numbers; lower [train] learning_rate and use --restart ({})",
                          step_ + 1, items_.sets[batch.set].name, losses.total, losses.gradient,
                          kept ? kept->string() + " is kept" : "no checkpoint was written yet"));
}

void Run::log_step(const PlannedBatch& batch, const StepLosses& losses, double rate) {
  const double seconds = seconds_since(stepping_);
  report_.losses.push_back(losses.total);
  smooth_loss_ =
      report_.losses.size() == 1 ? losses.choice : 0.95 * smooth_loss_ + 0.05 * losses.choice;
  if (!log_) return;
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
  if (log_) log_->validation(step_, validation_);
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
  const GenericModels generic = fit_generic_models(inputs(), gate, items_.sets, notes_);
  report_.finished = true;
  if (!group_.leads()) return;
  check_no_other_pool(config_.pool.out, own_pool(description_));  // of what came meanwhile
  export_pool(inputs(), gate, generic, model_->base(), checkpoint(), items_.sets);
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
  // One worker sees Ctrl-C or the end of the slice first: all stop after the same step.
  while (!done() && !group_.any(slice_over())) {
    step();
    show_progress(progress);
    if (group_.any(interrupted())) throw Interrupted();
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

TrainReport train_pool(const TrainConfig& config, const TrainRunOptions& options,
                       std::ostream& notes) {
  ProcessGroup alone;
  return train_pool(config, options, alone, notes);
}

TrainReport train_pool(const TrainConfig& config, const TrainRunOptions& options,
                       ProcessGroup& group, std::ostream& notes) {
  if (options.restart && (options.resume || options.export_only)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("--{} and --restart exclude each other; choose one",
                            options.resume ? "resume" : "export"));
  }
  Run run(config, options, group, notes);
  return options.export_only ? run.export_newest() : run.train();
}

}  // namespace crayon
