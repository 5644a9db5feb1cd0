#include "crayon/trainer/internal/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/formats/safetensors.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

Checkpoint some_checkpoint(std::int64_t step) {
  Checkpoint checkpoint;
  checkpoint.step = step;
  checkpoint.samples = 10 * step;
  checkpoint.seconds = 1.5;
  checkpoint.base_sha256 = "abc";
  checkpoint.number_type = "f32";
  checkpoint.config = {"train.seed = 1", "pool.rank = 4"};
  checkpoint.plan = {{1, 2, 3, UINT64_MAX}, {0, 1}, {5, 6}};
  checkpoint.validation = {{"toy", 50, 0.25, 0.5, 0.75, 0.01, 0.02, 0.03}};
  checkpoint.tensors["a"] = {{2, 2}, {1, 2, 3, -4.5f}};
  return checkpoint;
}

class Checkpoints : public ::testing::Test {
 protected:
  TemporaryFolder temporary_;
  CheckpointFolder folder_{temporary_.path() / "run"};
};

TEST_F(Checkpoints, AreReadBackAsTheyWere) {
  folder_.save(some_checkpoint(3));
  const Checkpoint read = folder_.load_newest();
  const Checkpoint want = some_checkpoint(3);
  EXPECT_EQ(read.step, 3);
  EXPECT_EQ(read.samples, 30);
  EXPECT_EQ(read.seconds, 1.5);
  EXPECT_EQ(read.config, want.config);
  EXPECT_EQ(read.plan.rng, want.plan.rng);
  EXPECT_EQ(read.plan.epochs, want.plan.epochs);
  EXPECT_EQ(read.plan.cursors, want.plan.cursors);
  EXPECT_EQ(read.tensors.at("a").shape, want.tensors.at("a").shape);
  EXPECT_EQ(read.tensors.at("a").data, want.tensors.at("a").data);
  ASSERT_EQ(read.validation.size(), 1u);
  EXPECT_EQ(read.validation[0].tilted_error, 0.03);
}

TEST_F(Checkpoints, TheLastTwoAreKeptAndTheNewestIsRead) {
  for (const int step : {5, 90, 100}) folder_.save(some_checkpoint(step));
  EXPECT_EQ(folder_.load_newest().step, 100);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder_.path())) {
    ++files;
  }
  EXPECT_EQ(files, 2u);
}

TEST_F(Checkpoints, NoneIsNotFound) {
  EXPECT_THAT([&] { (void)folder_.load_newest(); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
}

TEST_F(Checkpoints, ATruncatedFileIsCorruptWhereverItEnds) {
  folder_.save(some_checkpoint(3));
  const auto file = *folder_.newest();
  const auto bytes = read_file(file);
  for (std::size_t size = 0; size < bytes.size(); size += 7) {
    write_atomically(file, std::span(bytes).first(size));
    EXPECT_THAT([&] { (void)folder_.load_newest(); },
                Throws<Error>(AllOf(Property(&Error::code, ErrorCode::CorruptFile),
                                    Property(&Error::what, HasSubstr("step-00000003")),
                                    Property(&Error::what, HasSubstr("--restart")))))
        << size;
  }
}

TEST_F(Checkpoints, AForeignSafetensorsFileIsNoCheckpoint) {
  std::filesystem::create_directories(folder_.path());
  Safetensors foreign;
  foreign.tensors["x"] = {{1}, {1.0f}};
  write_atomically(folder_.path() / "step-00000009.safetensors", write_safetensors(foreign));
  EXPECT_THAT([&] { (void)folder_.load_newest(); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::CorruptFile),
                                  Property(&Error::what, HasSubstr("not a checkpoint")))));
}

TEST_F(Checkpoints, StateThatIsNotWhatItShouldBeIsCorrupt) {
  folder_.save(some_checkpoint(3));
  const auto file = *folder_.newest();
  Safetensors stored = read_safetensors(read_file(file), "test");
  for (const std::string state : {"", "[]", "{}", R"({"version": 99})", R"({"version": "1"})"}) {
    stored.metadata["state"] = state;
    write_atomically(file, write_safetensors(stored));
    EXPECT_THAT([&] { (void)folder_.load_newest(); },
                Throws<Error>(Property(&Error::code, ErrorCode::CorruptFile)))
        << state;
  }
}

TEST_F(Checkpoints, ASecondTrainerIsKeptOutUntilTheFirstEnds) {
  {
    const FolderLock first(folder_.path());
    EXPECT_THAT([&] { const FolderLock second(folder_.path()); },
                Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unavailable),
                                    Property(&Error::what, HasSubstr("another crayon-trainer")))));
  }
  EXPECT_NO_THROW(const FolderLock third(folder_.path()));
}

TEST_F(Checkpoints, WhatAKilledSaveLeftIsRemovedAndNothingElse) {
  folder_.save(some_checkpoint(3));
  const FolderLock lock(folder_.path());
  const auto put = [&](const std::string& name) {
    write_atomically(folder_.path() / name, "half");
    return folder_.path() / name;
  };
  const auto leftover = put("step-00000004.safetensors.aB3xYz.part");
  const auto notes = put("notes.part"), copy = put("step-00000002.safetensors.old");
  folder_.remove_leftovers(lock);
  EXPECT_FALSE(std::filesystem::exists(leftover));
  EXPECT_TRUE(std::filesystem::exists(notes));
  EXPECT_TRUE(std::filesystem::exists(copy));
  EXPECT_EQ(folder_.load_newest().step, 3);
}

TEST(SameRun, NamesEachChangedKeyWithBothValues) {
  const Checkpoint checkpoint = some_checkpoint(1);
  EXPECT_NO_THROW(check_same_run(checkpoint, checkpoint.config, "abc"));
  EXPECT_THAT(
      [&] {
        check_same_run(checkpoint, {"train.seed = 2", "gate.dims = 8"}, "abc");
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                          Property(&Error::what, HasSubstr("train.seed (1, now 2)")),
                          Property(&Error::what, HasSubstr("pool.rank (4, now missing)")),
                          Property(&Error::what, HasSubstr("gate.dims (missing, now 8)")))));
}

TEST(SameRun, RefusesTheSameSetsInAnotherOrder) {
  Checkpoint checkpoint = some_checkpoint(1);
  const std::string a = "set.a = limit 0, weight 1", b = "set.b = limit 0, weight 1";
  checkpoint.config = {"train.seed = 1", a, b};
  EXPECT_NO_THROW(check_same_run(checkpoint, {"train.seed = 1", a, b}, "abc"));
  EXPECT_NO_THROW(check_same_run(checkpoint, {a, b, "train.seed = 1"}, "abc"));
  EXPECT_THAT(
      [&] {
        check_same_run(checkpoint, {"train.seed = 1", b, a}, "abc");
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                          Property(&Error::what, HasSubstr("[[set]] tables (a, b, now b, a)")))));
}

TEST(SameRun, RefusesAnotherBaseAndNamesBothHashes) {
  EXPECT_THAT([] { check_same_run(some_checkpoint(1), some_checkpoint(1).config, "xyz"); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Incompatible),
                                  Property(&Error::what, HasSubstr("abc")),
                                  Property(&Error::what, HasSubstr("xyz")))));
}

}  // namespace
}  // namespace crayon
