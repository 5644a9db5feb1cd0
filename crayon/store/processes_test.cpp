// Several processes at one store: fork() before it is opened, as SQLite wants it.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "crayon/store/internal/support_for_tests.h"

namespace crayon {
namespace {

/// Runs `work` in a child; the exit status is what it returns, at most 255.
pid_t in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int status = 255;
  try {
    status = work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  ::_exit(status);
}

int status_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Spends call by call until it is refused twice; returns how many calls were granted.
int spend(const std::filesystem::path& file, const BudgetLimits& limits) {
  Store store(file);
  int granted = 0;
  for (int refused = 0; refused < 2;) {
    const Reservation got = store.reserve(limits, {.calls = 1, .tokens = 10});
    if (!got.granted) {
      ++refused;
      continue;
    }
    ++granted;
    store.settle(got, {.calls = 1, .tokens = 7});
  }
  return granted;
}

TEST(Processes, FourOfThemSpendExactlyTheCallsThatThereAre) {
  const StoreFolder folder;
  const BudgetLimits limits{.daily = {}, .monthly = {.calls = 150}};
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(in_child([&] { return spend(folder.file(), limits); }));
  }
  int granted = 0;
  for (const pid_t child : children) granted += status_of(child);
  EXPECT_EQ(granted, 150);
  Store store(folder.file());
  EXPECT_EQ(store.spending().month.calls, 150);
  EXPECT_EQ(store.spending().month.tokens, 150 * 7);
  EXPECT_EQ(store.spending().unsettled, 0);
}

// What a call costs beyond what was set aside is all that a limit can be exceeded by: with two
// processes, one call each.
TEST(Processes, TokensExceedTheirLimitByNoMoreThanTheCallsUnderWay) {
  const StoreFolder folder;
  constexpr std::int64_t kLimit = 1000;
  constexpr std::int64_t kAside = 10;
  constexpr std::int64_t kCost = 35;
  const auto work = [&] {
    Store store(folder.file());
    const BudgetLimits limits{.daily = {.tokens = kLimit}};
    while (true) {
      const Reservation got = store.reserve(limits, {.calls = 1, .tokens = kAside});
      if (!got.granted) return 0;
      store.settle(got, {.calls = 1, .tokens = kCost});
    }
  };
  const pid_t one = in_child(work);
  const pid_t two = in_child(work);
  EXPECT_EQ(status_of(one) + status_of(two), 0);
  const auto spent = Store(folder.file()).spending().today.tokens;
  EXPECT_GT(spent, kLimit - kAside);
  EXPECT_LE(spent, kLimit + 2 * (kCost - kAside));
}

TEST(Processes, OneThatIsKilledBetweenReservingAndSettlingHasSpentItsReservation) {
  const StoreFolder folder;
  const BudgetLimits limits{.daily = {.calls = 1}};
  const pid_t child = in_child([&] {
    Store store(folder.file());
    (void)store.reserve(limits, {.calls = 1, .tokens = 10});
    ::raise(SIGKILL);
    return 0;
  });
  EXPECT_EQ(status_of(child), -1);
  Store store(folder.file());
  EXPECT_FALSE(store.reserve(limits, {.calls = 1}).granted);
  EXPECT_EQ(store.spending().unsettled, 1);
}

}  // namespace
}  // namespace crayon
