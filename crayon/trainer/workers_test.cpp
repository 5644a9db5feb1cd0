// Workers of one job as threads of this test, over loopback; processes are tested in tests/e2e.
#include "crayon/trainer/workers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <sstream>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/interrupt.h"
#include "crayon/http/free_port.h"
#include "crayon/testing/random.h"
#include "crayon/testing/training.h"
#include "crayon/trainer/internal/checkpoint.h"
#include "crayon/trainer/internal/process_group.h"
#include "crayon/trainer/internal/work_share.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

using Variables = std::map<std::string, std::string>;

WorkerPlace place_of(const Variables& variables, int store_port = 0) {
  return worker_place(
      [&](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
      },
      store_port);
}

TEST(WorkerPlaces, AreReadFromWhatLaunchersSet) {
  Variables set = {{"RANK", "5"},
                   {"WORLD_SIZE", "8"},
                   {"LOCAL_RANK", "1"},
                   {"MASTER_PORT", "29500"},
                   {"LOCAL_WORLD_SIZE", "4"},
                   {"MASTER_ADDR", "first"}};
  const WorkerPlace place = place_of(set);
  EXPECT_EQ(place.rank, 5);
  EXPECT_EQ(place.size, 8);
  EXPECT_EQ(place.local_rank, 1);
  EXPECT_EQ(place.local_size, 4);
  EXPECT_EQ(place.host, "first");
  EXPECT_EQ(place.store_port, 29501);
  EXPECT_EQ(place_of(set, 700).store_port, 700);
  set.erase("LOCAL_RANK");
  set.erase("LOCAL_WORLD_SIZE");
  EXPECT_EQ(place_of(set).local_size, 1);
  EXPECT_EQ(place_of({}).size, 1);
  EXPECT_EQ(place_of({{"WORLD_SIZE", "1"}, {"RANK", "0"}}).size, 1);
}

TEST(WorkerPlaces, AreRefusedWithTheVariableThatIsWrong) {
  const Variables good = {
      {"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"RANK", ""},           {"RANK", "2"},       {"RANK", "-1"},      {"RANK", "1x"},
      {"WORLD_SIZE", "many"}, {"MASTER_ADDR", ""}, {"MASTER_PORT", ""}, {"MASTER_PORT", "70000"}};
  for (const auto& [name, value] : cases) {
    Variables bad = good;
    bad[name] = value;
    EXPECT_THAT([&] { (void)place_of(bad); },
                Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                    Property(&Error::what, HasSubstr(name)))))
        << name << "=" << value;
  }
}

TEST(WorkerPlaces, EachMachineSpeaksOnce) {
  WorkerPlace place;
  place.size = 4;
  place.local_size = 2;
  const auto speakers = [&](int teller) {
    std::vector<int> who;
    for (place.rank = 0; place.rank < 4; ++place.rank) {
      place.local_rank = place.rank % 2;
      if (speaks(place, teller)) who.push_back(place.rank);
    }
    return who;
  };
  EXPECT_THAT(speakers(0), ElementsAre(0, 2));
  EXPECT_THAT(speakers(3), ElementsAre(0, 3));
  place.local_size = 1;
  EXPECT_EQ(speakers(1).size(), 4u);
}

/// Says what other workers have told before.
class ToldGroup : public ProcessGroup {
 public:
  ToldGroup(const WorkerPlace& place, WorkerFailure told)
      : ProcessGroup(place), told_(std::move(told)) {}
  WorkerFailure tell(const WorkerFailure& failure) override {
    if (told_.text.empty()) told_ = failure;
    return told_;
  }
  WorkerFailure told_;
};

TEST(RunWorker, TellsItsErrorAndNamesItself) {
  WorkerPlace place;
  place.size = 2;
  place.rank = place.local_rank = 1;
  place.local_size = 2;
  ToldGroup group(place, {});
  const auto fails = [&]() -> int { throw Error(ErrorCode::CorruptFile, "row 3"); };
  EXPECT_THAT([&] { (void)run_worker(group, fails); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::CorruptFile),
                                  Property(&Error::what, HasSubstr("worker 1 of 2: row 3")))));
  EXPECT_EQ(group.told_.exit_status, info(ErrorCode::CorruptFile).exit_status);
  ToldGroup late(place, {0, 3, "worker 0 of 2: no such file"});
  EXPECT_EQ(run_worker(late, fails), 3);  // worker 0 says it for this machine
  const auto hears = [&]() -> int { throw WorkerFailed(late.told_); };
  EXPECT_EQ(run_worker(late, hears), 3);
  place.local_rank = 0;
  place.local_size = 1;
  ToldGroup elsewhere(place, late.told_);
  EXPECT_THAT([&] { (void)run_worker(elsewhere, hears); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::NotFound),
                                  Property(&Error::what, HasSubstr("worker 0 of 2")))));
}

TrainItem item(std::size_t id, int length) {
  TrainItem item;
  item.id = id;
  item.length = length;
  return item;
}

TEST(WorkShare, EvensOutTokensAndLeavesItemsAtHomeWhereItCan) {
  std::vector<TrainItem> items;
  for (std::size_t id = 0; id < 8; ++id) items.push_back(item(id, 10));
  std::vector<const TrainItem*> all;
  for (const TrainItem& i : items) all.push_back(&i);
  EXPECT_THAT(share_out(all, 2), ElementsAre(0, 1, 0, 1, 0, 1, 0, 1));
  for (TrainItem& i : items) i.id = 2 * i.id;  // all at home with worker 0
  const auto owners = share_out(all, 2);
  EXPECT_EQ(std::count(owners.begin(), owners.end(), 1), 4);
  EXPECT_THAT(share_out(std::span(all).first(1), 3), ElementsAre(0));
}

/// Runs `work` as the workers of one job, each in a thread. @return what each threw, or ""
std::vector<std::string> as_workers(int n, const std::function<void(ProcessGroup&)>& work) {
  WorkerPlace place;
  place.size = n;
  place.host = "127.0.0.1";
  place.store_port = free_port();
  std::vector<std::string> thrown(static_cast<std::size_t>(n));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < n; ++rank) {
    place.rank = rank;
    threads.emplace_back([&thrown, &work, place] {
      try {
        const auto group = join_workers(place);
        (void)run_worker(*group, [&] {
          work(*group);
          return 0;
        });
      } catch (const std::exception& error) {
        thrown[static_cast<std::size_t>(place.rank)] = error.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  return thrown;
}

class ProcessGroups : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!can_join_others()) GTEST_SKIP() << "built without c10d and Gloo";
  }
};

TEST_F(ProcessGroups, AddUpAndHandOn) {
  std::vector<float> sums(3);
  std::vector<std::size_t> sizes(3);
  std::vector<bool> any(3);
  const auto thrown = as_workers(3, [&](ProcessGroup& group) {
    const auto rank = static_cast<std::size_t>(group.rank());
    std::vector<float> values = {1.0f + static_cast<float>(rank), 0.5f};
    group.sum(std::span(values));
    sums[rank] = values[0];
    std::vector<std::byte> bytes(rank == 0 ? 1000 : 2);
    sizes[rank] = group.from_leader(std::move(bytes)).size();
    any[rank] = group.any(rank == 2) && !group.any(false);
  });
  EXPECT_THAT(thrown, ElementsAre("", "", ""));
  EXPECT_THAT(sums, ElementsAre(6.0f, 6.0f, 6.0f));
  EXPECT_THAT(sizes, ElementsAre(1000u, 1000u, 1000u));
  EXPECT_THAT(any, ElementsAre(true, true, true));
}

TEST_F(ProcessGroups, AWaitForWorkerZeroSaysWhetherItWasInterruptedOrInVain) {
  WorkerPlace place;
  place.rank = 1;
  place.size = 2;
  place.host = "127.0.0.1";
  place.store_port = free_port();
  place.wait_minutes = 0.005;
  EXPECT_THAT([&] { (void)join_workers(place); },
              Throws<Error>(Property(&Error::what, HasSubstr("finds no worker 0 here"))));
  set_interrupted(true);
  EXPECT_THROW((void)join_workers(place), Interrupted);
  set_interrupted(false);
}

TEST_F(ProcessGroups, AnErrorOfOneEndsAllWithItsText) {
  const auto thrown = as_workers(3, [&](ProcessGroup& group) {
    if (group.rank() == 1) throw Error(ErrorCode::CorruptFile, "row 3 is broken");
    for (int i = 0; i < 3; ++i) (void)group.any(false);
  });
  for (const std::string& text : thrown) EXPECT_EQ(text, "worker 1 of 3: row 3 is broken");
}

class JointTraining : public ProcessGroups {
 protected:
  JointTraining() { write_training_files(alone_.path(), kSmall); }
  ~JointTraining() override { set_interrupted(false); }

  /// The same run by `n` workers in `folder`. @return worker 0's report
  static TrainReport train(const fs::path& folder, int n, const TrainRunOptions& options = {},
                           int shared_rank = 0) {
    TrainConfig config = load_train_config(folder / "train.toml");
    config.pool.shared_rank = shared_rank;
    if (n == 1) {
      std::ostringstream notes;
      return train_pool(config, options, notes);
    }
    std::vector<TrainReport> reports(static_cast<std::size_t>(n));
    const auto thrown = as_workers(n, [&](ProcessGroup& group) {
      std::ostringstream notes;
      reports[static_cast<std::size_t>(group.rank())] = train_pool(config, options, group, notes);
    });
    for (const std::string& text : thrown) EXPECT_EQ(text, "");
    for (const TrainReport& report : reports) EXPECT_EQ(report.losses, reports[0].losses);
    return reports[0];
  }
  static void expect_same(const std::vector<double>& got, const std::vector<double>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4) << i;
  }

  /// Trains by one process and by 2 and 3 workers, and compares all that comes of it.
  void compare(int shared_rank) {
    const TrainReport want = train(alone_.path(), 1, {}, shared_rank);
    ASSERT_EQ(want.losses.size(), 12u);
    const Checkpoint one = CheckpointFolder(alone_.path() / "checkpoints").load_newest();
    for (const int n : {2, 3}) {
      TemporaryFolder together;
      write_training_files(together.path(), kSmall);
      const TrainReport got = train(together.path(), n, {}, shared_rank);
      EXPECT_TRUE(got.finished);
      expect_same(got.losses, want.losses);
      EXPECT_EQ(got.samples, want.samples);
      ASSERT_EQ(got.validation.size(), want.validation.size());
      for (std::size_t i = 0; i < got.validation.size(); ++i) {
        EXPECT_EQ(got.validation[i].base, want.validation[i].base);
        EXPECT_EQ(got.validation[i].tilted, want.validation[i].tilted);
      }
      const Checkpoint many = CheckpointFolder(together.path() / "checkpoints").load_newest();
      ASSERT_EQ(many.tensors.size(), one.tensors.size());
      for (const auto& [name, tensor] : one.tensors) {
        const auto& other = many.tensors.at(name);
        ASSERT_EQ(other.data.size(), tensor.data.size()) << name;
        for (std::size_t i = 0; i < tensor.data.size(); ++i) {
          ASSERT_NEAR(other.data[i], tensor.data[i], 1e-3) << name << " " << i;
        }
      }
      EXPECT_TRUE(fs::exists(together.path() / "pool" / "pool.json"));
    }
  }

  /// Batches of 1 to 4 items: some leave a worker without any.
  static constexpr const char* kSmall = "batch_tokens = 60\ncache_gib = 0.00002";
  TemporaryFolder alone_;
};

TEST_F(JointTraining, WorkersHaveTheLossesAndThePoolOfOneProcess) { compare(0); }
TEST_F(JointTraining, SoTheyDoOfAPoolWithASharedAdapter) { compare(2); }

TEST_F(JointTraining, ACheckpointGoesOnWithAnotherNumberOfWorkers) {
  const TrainReport want = train(alone_.path(), 1);
  TemporaryFolder moved;
  write_training_files(moved.path(), kSmall);
  std::vector<double> losses;
  TrainRunOptions options;
  options.stop_after = 4;
  for (const int n : {2, 1, 3}) {
    const TrainReport part = train(moved.path(), n, options);
    losses.insert(losses.end(), part.losses.begin(), part.losses.end());
    options.resume = true;
  }
  expect_same(losses, want.losses);
}

TEST_F(JointTraining, AWorkerWithOtherDataIsRefusedByName) {
  TemporaryFolder other;
  write_training_files(other.path(), kSmall);
  write_training_set(other.path() / "ways.jsonl", "left", "right", "turns");
  const auto thrown = as_workers(2, [&](ProcessGroup& group) {
    const fs::path folder = group.rank() == 0 ? alone_.path() : other.path();
    std::ostringstream notes;
    (void)train_pool(load_train_config(folder / "train.toml"), {}, group, notes);
  });
  for (const std::string& text : thrown) {
    EXPECT_THAT(text, AllOf(HasSubstr("worker 1 of 2"), HasSubstr("data.ways (")));
  }
  EXPECT_FALSE(fs::exists(alone_.path() / "pool"));
}

}  // namespace
}  // namespace crayon
