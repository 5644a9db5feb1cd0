// What goes wrong around a training run: one clear error each, and the last good checkpoint stays.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/testing/random.h"
#include "crayon/testing/training.h"
#include "crayon/trainer/internal/checkpoint.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

/// While it lives, no file of this process grows beyond `bytes`: a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : before_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, before_handler_);
  }

 private:
  void (*before_handler_)(int);
  rlimit before_{};
};

class TrainingFails : public ::testing::Test {
 protected:
  TrainingFails() { write_training_files(folder_.path()); }

  TrainReport run(const TrainRunOptions& options = {}) {
    std::ostringstream notes;
    return train_pool(load_train_config(path("train.toml")), options, notes);
  }
  /// Six steps: checkpoints after the fourth and the sixth.
  void begin() {
    TrainRunOptions first;
    first.stop_after = 6;
    (void)run(first);
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] CheckpointFolder checkpoints() const {
    return CheckpointFolder(path("checkpoints"));
  }
  void expect_nothing_half_written() const {
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      EXPECT_NE(entry.path().extension(), ".part") << entry.path();
    }
  }
  /// Nothing half written lies about, and the run goes on from step `step`.
  void expect_goes_on_from(std::int64_t step) {
    expect_nothing_half_written();
    EXPECT_EQ(checkpoints().load_newest().step, step);
    TrainRunOptions rest;
    rest.resume = true;
    EXPECT_TRUE(run(rest).finished);
  }
  template <typename Call>
  static void expect_error(const Call& call, ErrorCode code,
                           const std::vector<std::string>& texts) {
    try {
      call();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      for (const auto& text : texts) EXPECT_THAT(error.what(), HasSubstr(text));
    }
  }

  TemporaryFolder folder_;
};

TEST_F(TrainingFails, AFullDiskAtACheckpointKeepsTheLastOne) {
  begin();
  TrainRunOptions rest;
  rest.resume = true;
  const auto size = fs::file_size(*checkpoints().newest());
  {
    const FullDisk full(size / 2);
    expect_error([&] { (void)run(rest); }, ErrorCode::Unavailable,
                 {"step-00000008.safetensors", "cannot be written", "nothing was changed"});
  }
  expect_goes_on_from(6);
}

TEST_F(TrainingFails, AFullDiskAtThePoolKeepsTheCheckpoint) {
  (void)run();
  fs::remove_all(path("pool"));
  TrainRunOptions exported;
  exported.export_only = true;
  {
    const FullDisk full(1000);
    expect_error([&] { (void)run(exported); }, ErrorCode::Unavailable,
                 {"pool", "cannot be written"});
  }
  EXPECT_FALSE(fs::exists(path("pool/pool.json")));
  EXPECT_EQ(checkpoints().load_newest().step, 12);
  EXPECT_TRUE(run(exported).finished);
}

TEST_F(TrainingFails, AKillAtACheckpointLeavesNothingForGoodOnceTheRunIsTakenUp) {
  begin();
  const fs::path half = path("checkpoints/step-00000008.safetensors.aB3xYz.part");
  write_atomically(half, "half");
  {
    const FolderLock other(path("checkpoints"));  // another trainer may be writing it
    expect_error([&] { (void)run({.resume = true}); }, ErrorCode::Unavailable,
                 {"another crayon-trainer"});
    EXPECT_TRUE(fs::exists(half));
  }
  EXPECT_TRUE(run({.resume = true}).finished);
  expect_nothing_half_written();
  write_atomically(half, "half");
  EXPECT_TRUE(run({.restart = true}).finished);
  expect_nothing_half_written();
}

TEST_F(TrainingFails, AFullDiskAtTheLogIsSaidOnceAndTheRunGoesOn) {
  fs::create_directory(path("checkpoints"));
  fs::create_symlink("/dev/full", path("checkpoints/log.jsonl"));
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(run().finished);
  const std::string said = ::testing::internal::GetCapturedStderr();
  const auto first = said.find("warning: ");
  ASSERT_NE(first, std::string::npos);
  EXPECT_THAT(said, AllOf(HasSubstr(path("checkpoints/log.jsonl").string()),
                          HasSubstr("No space left on device"), HasSubstr("training goes on")));
  EXPECT_EQ(said.find("warning: ", first + 1), std::string::npos) << said;
}

TEST_F(TrainingFails, AnUnreadableRowIsNamedByFileAndLine) {
  begin();
  const std::string good = read_text(path("ways.jsonl"));
  write_atomically(path("ways.jsonl"), good + "{\"question\": \"cut\n");
  TrainRunOptions rest;
  rest.resume = true;
  expect_error([&] { (void)run(rest); }, ErrorCode::InvalidArgument, {"ways.jsonl", "25"});
  write_atomically(path("ways.jsonl"), good);
  expect_goes_on_from(6);
}

TEST_F(TrainingFails, AnotherBaseOnResumeIsIncompatibleByBothHashes) {
  begin();
  const Checkpoint stored = checkpoints().load_newest();
  const auto good = read_file(path("tiny.gguf"));
  RandomModelOptions other;
  other.seed = 77;
  write_random_model(path("tiny.gguf"), other);
  TrainRunOptions rest;
  rest.resume = true;
  expect_error([&] { (void)run(rest); }, ErrorCode::Incompatible,
               {stored.base_sha256, "this one has"});
  write_atomically(path("tiny.gguf"), good);
  expect_goes_on_from(6);
}

TEST_F(TrainingFails, ACheckpointCutShortLeavesTheOneBefore) {
  begin();
  const fs::path newest = *checkpoints().newest();
  fs::resize_file(newest, fs::file_size(newest) - 10);
  TrainRunOptions rest;
  rest.resume = true;
  expect_error([&] { (void)run(rest); }, ErrorCode::CorruptFile,
               {"step-00000006.safetensors", "delete this file to go on from the one before it"});
  fs::remove(newest);
  expect_goes_on_from(4);
}

}  // namespace
}  // namespace crayon
