#include "crayon/trainer/internal/worker_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Property;
using ::testing::Throws;

constexpr WatchTimes kTimes{
    .beat = 20ms, .poll = 1ms, .dead = 20ms, .missing = 20ms, .farewell = 20ms};

/// What all workers of a test see: workers that live give a new sign of life at each look.
struct Board {
  std::mutex mutex;  ///< Guards the rest.
  std::map<std::string, std::string> texts;
  std::map<std::string, std::int64_t> numbers;
  std::set<std::string> alive;  ///< "beats/1"
  bool gone = false;            ///< Worker 0 is.
};

class BoardKeys : public SharedKeys {
 public:
  explicit BoardKeys(Board& board) : board_(board) {}
  std::int64_t add(const std::string& key, std::int64_t n) override {
    const auto lock = open();
    return board_.numbers[key] += n + (board_.alive.count(key) > 0 ? 1 : 0);
  }
  std::string set_once(const std::string& key, const std::string& value) override {
    const auto lock = open();
    return board_.texts.emplace(key, value).first->second;
  }
  std::optional<std::string> get(const std::string& key) override {
    const auto lock = open();
    const auto found = board_.texts.find(key);
    return found == board_.texts.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::unique_lock<std::mutex> open() {
    std::unique_lock lock(board_.mutex);
    if (board_.gone) throw std::runtime_error("Connection reset by peer\nstack");
    return lock;
  }
  Board& board_;
};

class Watching : public ::testing::Test {
 protected:
  Watching() {
    for (const int rank : {0, 1, 2}) board_.alive.insert("beats/" + std::to_string(rank));
  }
  [[nodiscard]] std::unique_ptr<WorkerWatch> watch(int rank, int local_size = 1) {
    WorkerPlace place;
    place.rank = rank;
    place.size = 3;
    place.local_size = local_size;
    place.local_rank = local_size == 1 ? 0 : rank;
    return std::make_unique<WorkerWatch>(place, std::make_unique<BoardKeys>(board_),
                                         std::make_unique<BoardKeys>(board_), kTimes);
  }
  /// The board is the threads' too that give signs of life.
  template <typename Change>
  void change(const Change& edit) {
    const std::lock_guard lock(board_.mutex);
    edit(board_);
  }
  /// What a call throws when another worker has failed.
  template <typename Call>
  static WorkerFailure failure_of(const Call& call) {
    try {
      call();
    } catch (const WorkerFailed& failed) {
      return failed.failure();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
  }

  Board board_;
};

TEST_F(Watching, ADeadWorkerIsNamedTheSameToAllOthers) {
  const auto first = watch(0), third = watch(2);
  change([](Board& board) { board.alive.erase("beats/1"); });
  const WorkerFailure told = failure_of([&] { third->explain("Connection closed by peer"); });
  EXPECT_EQ(told.teller, 2);
  EXPECT_EQ(told.exit_status, info(ErrorCode::Unavailable).exit_status);
  EXPECT_THAT(told.text, AllOf(HasSubstr("worker 1 of 3"), HasSubstr("died"),
                               HasSubstr("Connection closed by peer"), HasSubstr("--resume")));
  const WorkerFailure heard = failure_of([&] { first->explain("Connection reset by peer"); });
  EXPECT_EQ(heard.text, told.text);
  EXPECT_EQ(heard.teller, 2);
}

TEST_F(Watching, AWorkerThatDiesBeforeAMeetingIsNamed) {
  const auto first = watch(0), third = watch(2);
  change([](Board& board) { board.alive.erase("beats/1"); });
  EXPECT_THAT(failure_of([&] { first->meet("started"); }).text,
              AllOf(HasSubstr("worker 1 of 3"), HasSubstr("started")));
}

TEST_F(Watching, WhereAllLiveTheOneBehindIsSaidToHang) {
  const auto first = watch(0);
  change([](Board& board) {
    board.numbers = {{"exchanges/0", 7}, {"exchanges/1", 7}, {"exchanges/2", 6}};
  });
  EXPECT_THAT(failure_of([&] { first->explain("Timed out waiting 600000ms"); }).text,
              AllOf(HasSubstr("worker 2 of 3 hangs"), HasSubstr("begun 6"), HasSubstr("others 7")));
}

TEST_F(Watching, WhatOneWorkerTellsEndsAllAndTheFirstStands) {
  const auto first = watch(0), second = watch(1), third = watch(2);
  EXPECT_EQ(second->tell({1, 5, "rows.jsonl: line 3"}).teller, 1);
  EXPECT_EQ(third->tell({2, 3, "later"}).text, "rows.jsonl: line 3");
  for (const WorkerFailure& heard : {failure_of([&] { first->explain("closed"); }),
                                     failure_of([&] { first->meet("started"); })}) {
    EXPECT_EQ(heard.teller, 1);
    EXPECT_EQ(heard.exit_status, 5);
    EXPECT_EQ(heard.text, "rows.jsonl: line 3");
  }
}

TEST_F(Watching, AnInterruptedWorkerInterruptsTheOthers) {
  const auto first = watch(0), second = watch(1);
  (void)second->tell({1, 130, "interrupted"});
  EXPECT_THROW(first->explain("closed"), Interrupted);
  EXPECT_THROW(first->meet("started"), Interrupted);
}

TEST_F(Watching, WithoutWorkerZeroEachMachineSaysSoOnce) {
  const auto alone = watch(2, 1), beside = watch(1, 3);
  change([](Board& board) { board.gone = true; });
  const WorkerFailure here = failure_of([&] { beside->explain("closed"); });
  EXPECT_EQ(here.teller, 1);  // the first one left beside worker 0
  EXPECT_THAT(here.text, AllOf(HasSubstr("worker 0 of 3"), Not(HasSubstr("stack"))));
  EXPECT_EQ(failure_of([&] { alone->meet("started"); }).teller, 2);
  EXPECT_EQ(failure_of([&] { (void)alone->from_leader("run", ""); }).teller, 2);
  EXPECT_EQ(alone->tell({2, 5, "mine"}).text, "mine");
}

TEST_F(Watching, WorkersThatDoNotComeInTimeAreNamed) {
  const auto first = watch(0);
  EXPECT_THAT([&] { first->meet("join", 20ms); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unavailable),
                                  Property(&Error::what, HasSubstr("workers 1, 2 of 3")))));
}

TEST_F(Watching, CtrlCEndsTheWaitForOthers) {
  const auto first = watch(0);
  set_interrupted(true);
  EXPECT_THROW(first->meet("join", 1h), Interrupted);
  EXPECT_THROW(first->meet("started"), Interrupted);
  set_interrupted(false);
}

TEST_F(Watching, AllMeetAndHearWorkerZero) {
  const auto first = watch(0), second = watch(1), third = watch(2);
  std::string heard;
  std::jthread one([&] { second->meet("place"); });
  std::jthread two([&] { third->meet("place"); });
  first->meet("place");
  one.join();
  two.join();
  one = std::jthread([&] { heard = second->from_leader("text", "mine"); });
  two = std::jthread([&] { (void)third->from_leader("text", "mine"); });
  EXPECT_EQ(first->from_leader("text", "of all"), "of all");
  one.join();
  two.join();
  EXPECT_EQ(heard, "of all");
}

}  // namespace
}  // namespace crayon
