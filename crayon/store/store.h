// What is kept between runs, in one SQLite file of the data folder: budgets, the decision log and
// what its users said of the answers. No text of a user is in it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crayon/store/budget.h"
#include "crayon/store/decisions.h"

namespace crayon {

struct StoreOptions {
  /// How long another process that writes is waited for.
  std::chrono::milliseconds patience{2000};
  /// Tells the time: which day and month is charged.
  std::function<std::chrono::system_clock::time_point()> clock = [] {
    return std::chrono::system_clock::now();
  };
};

/// Sums of the present day and month.
struct Spending {
  Amount today;
  Amount month;
  /// Calls of this month under way, or of processes that died: counted in full.
  std::int64_t unsettled = 0;
};

/// data_folder()/crayon.db
[[nodiscard]] std::filesystem::path store_file();

/// Safe to use from several threads and processes; not in a child after fork().
class Store {
 public:
  /// Makes folder and file where they are not there, and brings older tables up to date.
  /// @throws Error Unavailable   cannot be made or opened, or locked for too long
  /// @throws Error CorruptFile   not a database; Incompatible: another program's
  /// @throws Error Unsupported   made by a newer version
  explicit Store(const std::filesystem::path& file = store_file(), StoreOptions options = {});
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  /// Sets `amount` aside in one transaction, on disk before this returns.
  /// @throws Error InvalidArgument  an amount below 0 or beyond 10^15; Unavailable
  [[nodiscard]] Reservation reserve(const BudgetLimits& limits, const Amount& amount);
  /// Once for each reservation; a second time changes nothing. @throws as reserve()
  void settle(const Reservation& reservation, const Amount& spent);
  [[nodiscard]] Spending spending();

  /// Adds one decision. Not forced to disk: a power cut may lose the last ones.
  /// @throws Error InvalidArgument  an id that is no new_decision_id() or is there already, or a
  ///                                number that is not finite; Unavailable
  void add(const DecisionRecord& record);
  /// Marks the answer of a decision right or wrong; the last mark counts.
  /// @param id  or its first digits, at least 4, where no other begins with them
  /// @return the whole id  @throws Error NotFound, InvalidArgument (several begin so), Unavailable
  std::string mark(const std::string& id, bool good);
  /// What is known of one. @param id  as mark() takes it @throws Error NotFound, InvalidArgument,
  /// Unavailable
  [[nodiscard]] DecisionRecord decision(const std::string& id);
  /// Sums over the decisions since then. @param task  "": all
  [[nodiscard]] DecisionStatistics statistics(std::chrono::system_clock::time_point since,
                                              const std::string& task = {});
  /// The last `n` decisions of a task, oldest first; within a second in any order. @throws Error
  /// Unavailable
  [[nodiscard]] std::vector<DecisionRecord> recent(const std::string& task, std::size_t n);
  /// The decisions that were marked, oldest first: what calibrating learns from.
  [[nodiscard]] std::vector<JudgedDecision> judged(const std::string& task);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Budget of a store with fixed limits. Borrows the store.
class StoreBudget : public Budget {
 public:
  StoreBudget(Store& store, const BudgetLimits& limits) : store_(store), limits_(limits) {}
  Reservation reserve(const Amount& amount) override { return store_.reserve(limits_, amount); }
  void settle(const Reservation& reservation, const Amount& spent) override {
    store_.settle(reservation, spent);
  }

 private:
  Store& store_;
  BudgetLimits limits_;
};

}  // namespace crayon
