// A stopped training run as one safetensors file: tensors of the network's adapters, the gate and
// the optimizer, and text for the rest. No torch here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/trainer/internal/plan.h"
#include "crayon/trainer/train.h"

namespace crayon {

struct Checkpoint {
  std::int64_t step = 0;
  std::int64_t samples = 0;
  double seconds = 0;  ///< Of training, over all slices.
  std::string base_sha256;
  std::string number_type;          ///< Resolved: "f32" or "bf16".
  std::vector<std::string> config;  ///< describe_train_config() and the data's hashes.
  std::string replaces;             ///< OwnPool::replaces of the run.
  PlanState plan;
  std::vector<TrainValidation> validation;     ///< The last one; empty before it.
  std::map<std::string, FloatTensor> tensors;  ///< By name; see Learner::tensors().
};

/// A checkpoint as the bytes of its file.
[[nodiscard]] std::vector<std::byte> write_checkpoint(const Checkpoint& checkpoint);
/// @param file  for messages
/// @throws Error CorruptFile  truncated, or not a checkpoint of the trainer
[[nodiscard]] Checkpoint read_checkpoint(std::span<const std::byte> bytes,
                                         const std::filesystem::path& file);

class FolderLock;

/// "step-00001200.safetensors" in a folder, the last two kept.
class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }
  [[nodiscard]] std::filesystem::path log_file() const { return folder_ / "log.jsonl"; }
  /// The newest checkpoint's file.
  [[nodiscard]] std::optional<std::filesystem::path> newest() const;
  /// Writes in one step, then removes all but the last two. Makes the folder.
  /// @throws Error Unavailable  disk full, no rights
  void save(const Checkpoint& checkpoint) const;
  /// @throws Error NotFound     there is none
  /// @throws Error CorruptFile  truncated, or not a checkpoint of the trainer
  [[nodiscard]] Checkpoint load_newest() const;
  /// Removes checkpoints and log.
  void clear() const;
  /// Removes what a save that was killed left half written.
  /// @param lock  of this folder: with it nobody else is just writing one
  void remove_leftovers(const FolderLock& lock) const;

 private:
  [[nodiscard]] std::vector<std::filesystem::path> files() const;  ///< Oldest first.

  std::filesystem::path folder_;
};

/// Keeps a second trainer out of a folder while this lives; the system frees it when a process
/// ends.
class FolderLock {
 public:
  /// Makes the folder. @throws Error Unavailable  it is taken, or cannot be written
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

/// What differs between two descriptions of a run: the keys with both values, or the order of the
/// sets; empty where nothing does.
[[nodiscard]] std::string changed_lines(const std::vector<std::string>& before,
                                        const std::vector<std::string>& now);

/// Is the checkpoint one of this run?
/// @throws Error Incompatible     another base model, both hashes named
/// @throws Error InvalidArgument  another config: the lines that differ, or the order of the sets
void check_same_run(const Checkpoint& checkpoint, const std::vector<std::string>& config,
                    const std::string& base_sha256);

}  // namespace crayon
