// What stands where a run's pool is to go: told before the first step, and never replaced unasked.
#include "crayon/trainer/internal/pool_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <sstream>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/pool/edit_pool.h"
#include "crayon/pool/pool.h"
#include "crayon/testing/random.h"
#include "crayon/testing/training.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Property;
using ::testing::Throws;

class PoolPlace : public ::testing::Test {
 protected:
  PoolPlace() { write_training_files(folder_.path()); }

  [[nodiscard]] TrainConfig config() const { return load_train_config(path("train.toml")); }
  TrainReport run(const TrainRunOptions& options = {}) {
    return train_pool(config(), options, notes_);
  }
  /// A pool that another run made, of another seed.
  void put_other_pool() {
    TemporaryFolder other;
    write_training_files(other.path(), "seed = 6\nsteps = 1\n");
    (void)train_pool(load_train_config(other.path() / "train.toml"), {}, notes_);
    fs::remove_all(path("pool"));
    fs::copy(other.path() / "pool", path("pool"), fs::copy_options::recursive);
    notes_.str("");
  }
  [[nodiscard]] std::string id() const { return Pool::open(path("pool")).manifest().id; }
  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }
  template <typename Call>
  void expect_refused_at_once(const Call& call, ErrorCode code,
                              const std::vector<std::string>& parts) {
    notes_.str("");
    try {
      call();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      for (const std::string& part : parts) EXPECT_THAT(error.what(), HasSubstr(part));
    }
    EXPECT_EQ(notes_.str(), "") << "work was done first";
  }

  TemporaryFolder folder_;
  std::ostringstream notes_;
};

TEST_F(PoolPlace, ThatIsAFileIsRefusedAtOnce) {
  write_atomically(path("pool"), "x");
  expect_refused_at_once(
      [&] { (void)run(); }, ErrorCode::InvalidArgument,
      {path("pool").string() + ": is a file", "expected a folder", "[pool] out"});
  fs::remove(path("pool"));
  fs::create_symlink("nowhere", path("pool"));
  expect_refused_at_once([&] { (void)run(); }, ErrorCode::InvalidArgument, {"link to no folder"});
  fs::remove(path("pool"));
  fs::create_directory(path("pool"));
  write_atomically(path("pool/adapters"), "x");
  expect_refused_at_once([&] { (void)run(); }, ErrorCode::InvalidArgument,
                         {"pool/adapters: is a file"});
}

TEST_F(PoolPlace, ThatCannotBeWrittenIsRefusedAtOnce) {
  TrainConfig nowhere = config();
  nowhere.pool.out = "/proc/pools/mine";
  expect_refused_at_once([&] { (void)train_pool(nowhere, {}, notes_); }, ErrorCode::Unavailable,
                         {"/proc: no pool can be written here", "[pool] out"});
}

TEST_F(PoolPlace, IsLeftAsItIsByTheLookAtIt) {
  check_pool_place(path("a/b"));
  EXPECT_FALSE(fs::exists(path("a")));
  fs::create_directory(path("a"));
  check_pool_place(path("a/b"));
  check_pool_place(path("a"));
  EXPECT_TRUE(fs::is_empty(path("a")));
}

TEST_F(PoolPlace, OfAnotherPoolIsRefusedAtOnceUnlessRestarted) {
  put_other_pool();
  const std::string other = id();
  expect_refused_at_once([&] { (void)run(); }, ErrorCode::InvalidArgument,
                         {path("pool").string() + ": holds the pool '" + other + "' of 3 adapters",
                          "expected no pool", "--restart", "[pool] out"});
  EXPECT_EQ(id(), other);
  EXPECT_TRUE(run({.restart = true}).finished);
  EXPECT_NE(id(), other);
}

TEST_F(PoolPlace, OfAPoolThatCannotBeReadIsRefusedToo) {
  fs::create_directory(path("pool"));
  write_atomically(path("pool/pool.json"), "{");
  expect_refused_at_once([&] { (void)run(); }, ErrorCode::InvalidArgument,
                         {"holds a pool that cannot be read", "--restart"});
  EXPECT_TRUE(run({.restart = true}).finished);
  EXPECT_EQ(Pool::open(path("pool")).size(), 3u);
}

TEST_F(PoolPlace, ARestartHoldsForTheSlicesAfterIt) {
  put_other_pool();
  const std::string other = id();
  EXPECT_FALSE(run({.restart = true, .stop_after = 4}).finished);
  EXPECT_FALSE(run({.resume = true, .stop_after = 4}).finished);
  EXPECT_EQ(id(), other);
  EXPECT_TRUE(run({.resume = true}).finished);
  EXPECT_NE(id(), other);
}

TEST_F(PoolPlace, TheRunsOwnPoolIsReplacedByResumeAndExport) {
  EXPECT_FALSE(run({.stop_after = 4}).finished);
  EXPECT_TRUE(run({.export_only = true}).finished);
  const std::string early = id();
  EXPECT_TRUE(run({.resume = true}).finished);
  EXPECT_NE(id(), early);
  const std::string whole = id();
  EXPECT_TRUE(run({.export_only = true}).finished);
  EXPECT_TRUE(run({.resume = true}).finished);
  EXPECT_EQ(id(), whole);
}

TEST_F(PoolPlace, AnEditedPoolIsNoLongerTheRunsOwn) {
  (void)run();
  write_edit(path("pool"), remove_adapter(Pool::open(path("pool")), "a1"));
  expect_refused_at_once([&] { (void)run({.export_only = true}); }, ErrorCode::InvalidArgument,
                         {"of 2 adapters", "move it away", "--export"});
  EXPECT_EQ(Pool::open(path("pool")).size(), 2u);
}

/// Makes a pool in a folder when the first validation table is printed, in the middle of a run.
class PuttingBuffer : public std::stringbuf {
 public:
  explicit PuttingBuffer(std::function<void()> put) : put_(std::move(put)) {}

 protected:
  std::streamsize xsputn(const char* text, std::streamsize n) override {
    if (std::string_view(text, static_cast<std::size_t>(n)).find("mean") != std::string::npos) {
      if (const auto put = std::exchange(put_, nullptr)) put();
    }
    return std::stringbuf::xsputn(text, n);
  }

 private:
  std::function<void()> put_;
};

TEST_F(PoolPlace, APoolThatCameMeanwhileStaysAndTheCheckpointToo) {
  PuttingBuffer buffer([&] { put_other_pool(); });
  std::ostream notes(&buffer);
  EXPECT_THAT([&] { (void)train_pool(config(), {}, notes); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("which is not of this run")),
                                  Property(&Error::what, HasSubstr("--export")),
                                  Property(&Error::what, Not(HasSubstr("--restart"))))));
  const std::string other = id();
  fs::rename(path("pool"), path("theirs"));
  EXPECT_TRUE(run({.export_only = true}).finished);
  EXPECT_NE(id(), other);
}

}  // namespace
}  // namespace crayon
