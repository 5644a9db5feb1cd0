#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/random.h"
#include "crayon/base/sha256.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/formats/import_adapter.h"
#include "crayon/trainer/internal/run.h"
#include "crayon/trainer/internal/setup.h"
#include "crayon/trainer/internal/work_share.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

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

bool all_rows_equal(const Matrix& h) {
  for (std::size_t i = 1; i < h.rows; ++i) {
    if (!std::ranges::equal(h.row(i), h.row(0))) return false;
  }
  return true;
}

struct FirstGate {
  Whitening whitening;
  Matrix z;     ///< [n, m] of the rows that it was fitted on.
  Matrix keys;  ///< [N, m]
};

/// N directions that know nothing of the data.
Matrix random_keys(std::size_t n, std::size_t dims, std::uint64_t seed) {
  Rng rng(seed, "gate keys");
  Matrix keys(n, dims);
  for (std::size_t i = 0; i < n; ++i) {
    double square = 0;
    for (float& x : keys.row(i)) {
      x = static_cast<float>(rng.normal());
      square += double{x} * double{x};
    }
    for (float& x : keys.row(i)) x = static_cast<float>(double{x} / std::sqrt(square));
  }
  return keys;
}

/// [gate] dims, or as many as the prompts can span: further directions would be noise, scaled up.
int spanned_dims(const Matrix& h, const TrainConfig& config, std::ostream& notes) {
  const auto most = static_cast<int>(h.rows) - 1;
  if (config.gate.dims <= most) return config.gate.dims;
  notes << fmt::format(
               "gate: {} prompts span no more than {} directions; takes these in place of "
               "[gate] dims = {}",
               h.rows, most, config.gate.dims)
        << std::endl;
  return most;
}

/// What the gate begins with. One adapter leaves it nothing to choose: where its prompts are all
/// the same (a task whose questions lie in its choices), any directions will do, and z is 0.
FirstGate first_gate(const Matrix& h, const TrainConfig& config, std::ostream& notes) {
  const auto n_keys = static_cast<std::size_t>(config.pool.n_adapters);
  const auto dims = static_cast<std::size_t>(spanned_dims(h, config, notes));
  FirstGate gate;
  if (n_keys == 1 && all_rows_equal(h)) {
    gate.whitening.mean.assign(h.row(0).begin(), h.row(0).end());
    gate.whitening.projection = Matrix(dims, h.cols);
    for (std::size_t i = 0; i < dims; ++i) gate.whitening.projection.row(i)[i] = 1;
    gate.z = whiten(gate.whitening, h);
    gate.keys = Matrix(1, dims);
    gate.keys.row(0)[0] = 1;
    return gate;
  }
  gate.whitening = fit_whitening(h, dims);
  gate.z = whiten(gate.whitening, h);
  gate.keys = config.gate.keys == "random" ? random_keys(n_keys, dims, config.train.seed)
                                           : spherical_kmeans(gate.z, n_keys, config.train.seed);
  return gate;
}

}  // namespace

Run::Run(const TrainConfig& config, const TrainRunOptions& options, ProcessGroup& group,
         std::ostream& notes)
    : config_(config),
      options_(options),
      group_(group),
      notes_(notes),
      folder_(config.train.checkpoints) {
  std::optional<Checkpoint> stored;
  if (group_.leads()) {
    stored = open_folder();
    check_out(stored);
  }
  open_inputs();
  start(stored);
  group_.meet("started");
  if (group_.leads()) {
    // Not before all that can be refused or fail has gone well, for all workers.
    if (options.restart) folder_.clear();
    log_.emplace(folder_.log_file());
  }
  first_step_ = step_;
  first_samples_ = samples_;
}

/// Locks the folder and tidies it. @return the checkpoint to go on from, if asked for
std::optional<Checkpoint> Run::open_folder() {
  const auto newest = folder_.newest();
  lock_.emplace(config_.train.checkpoints);
  folder_.remove_leftovers(*lock_);
  if (newest && !options_.restart && !options_.resume && !options_.export_only) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: a run was stopped here; use --resume to go on from it, or "
                            "--restart to throw it away and begin anew",
                            newest->string()));
  }
  if (!options_.resume && !options_.export_only) return std::nullopt;
  return folder_.load_newest();
}

OwnPool Run::own_pool(std::vector<std::string> config) const {
  return {.replaces = replaces_,
          .config = std::move(config),
          .n_adapters = static_cast<std::size_t>(config_.pool.n_adapters)};
}

/// Refuses before the work what would stand in the way of the pool at its end.
void Run::check_out(const std::optional<Checkpoint>& stored) {
  const fs::path& out = config_.pool.out;
  check_pool_place(out);
  replaces_ = options_.restart ? pool_stamp(out) : stored ? stored->replaces : "";
  check_no_other_pool(out, own_pool(stored ? stored->config : std::vector<std::string>()));
}

/// Model and data, the same for all workers.
void Run::open_inputs() {
  set_threads(options_.threads > 0 ? options_.threads : config_.train.threads, group_.place());
  base_file_ = find_base(config_, group_, notes_);
  model_ = open_model(base_file_);
  check_layers(config_, model_->base());
  open_shared();
  items_ = load_items(config_, *model_, notes_);
  description_ = describe_run(config_, items_.sets);
  if (shared_from_) {
    AdapterFileOptions exact;
    exact.type = TensorType::F32;
    description_.push_back("pool.shared_from = " +
                           sha256_hex(adapter_to_gguf(*shared_from_, exact)));
  }
  check_same_everywhere(group_, description_, model_->base().sha256);
}

/// A shared adapter that is there.
void Run::open_shared() {
  const fs::path& file = config_.pool.shared_from;
  if (file.empty()) return;
  shared_from_ = import_adapter(file, Gguf::open(base_file_), model_->base()).adapter;
  config_.pool.shared_rank = static_cast<int>(max_rank(*shared_from_));
}

/// The network and what is learnt: from the checkpoint or anew, by worker 0 for all.
void Run::start(const std::optional<Checkpoint>& stored) {
  if (stored) check_same_run(*stored, description_, model_->base().sha256);
  plan_.emplace(make_plan(config_, items_.sets));
  const torch::Device device = find_device(config_.train.device, group_.place());
  std::string type = stored ? stored->number_type : config_.train.number_type;
  if (group_.leads()) type = to_string(resolve_number_type(type, device, notes_));
  type_ = parse_number_type(group_.from_leader("number type", type));
  network_.emplace(*model_, NetworkOptions{.type = type_, .device = device});
  const double share = config_.train.cache_gib / group_.place().local_size;
  cache_.emplace(*network_,
                 TrunkCacheOptions{.first_layer = config_.pool.first_layer,
                                   .embedding = config_.gate.embedding,
                                   .bytes = static_cast<std::uint64_t>(share * 1073741824.0),
                                   .batch_tokens = config_.train.batch_tokens},
                 items_.count);
  if (group_.any(stored.has_value())) {
    if (stored) resume(*stored);
  } else {
    begin();
  }
  share_state();
}

/// Worker 0's state to the others, as a checkpoint: they need not see its folder.
void Run::share_state() {
  if (group_.size() == 1) return;
  std::vector<std::byte> bytes;
  if (group_.leads()) bytes = write_checkpoint(checkpoint());
  bytes = group_.from_leader(std::move(bytes));
  if (!group_.leads()) resume(read_checkpoint(bytes, "the state of worker 0"));
}

void Run::make_learner(const Matrix& keys) {
  learner_.emplace(*network_, config_, keys, reference_, &group_);
}

/// First whitening and keys, on prompts that all workers read a part of.
void Run::begin() {
  const auto sample =
      sample_mixture(config_, items_.sets, static_cast<std::size_t>(config_.gate.fit_prompts));
  Matrix h;
  {
    const auto own = items_at_home(sample, group_).size();
    Progress progress(notes_, {.label = "gate", .total = own, .unit = "prompts"});
    h = embed_together(*cache_, sample, group_, [&](std::size_t done) {
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
  const FirstGate gate = first_gate(h, config_, notes_);
  whitening_ = gate.whitening;
  const auto kept = std::min(gate.z.rows, static_cast<std::size_t>(config_.gate.reference));
  reference_ = Matrix(kept, gate.z.cols);
  std::copy_n(gate.z.data.begin(), reference_.data.size(), reference_.data.begin());
  make_learner(gate.keys);
  if (shared_from_) learner_->set_shared(*shared_from_);
}

Checkpoint Run::checkpoint() const {
  Checkpoint now;
  now.step = step_;
  now.samples = samples_;
  now.seconds = seconds_before_ + seconds_since(start_);
  now.base_sha256 = model_->base().sha256;
  now.number_type = to_string(type_);
  now.config = description_;
  now.replaces = replaces_;
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

}  // namespace crayon
