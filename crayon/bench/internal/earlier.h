// Results of earlier reports, found by their keys.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "crayon/bench/run.h"

namespace crayon {

class EarlierCells {
 public:
  /// Borrows the results.
  explicit EarlierCells(const std::vector<EarlierResults>& earlier);

  /// The result of a cell with this key; of several the first.
  /// @throws Error CorruptFile  it does not fit the cell's questions
  [[nodiscard]] std::optional<BenchResult> take(const std::string& key,
                                                const std::vector<BenchRow>& questions);

  /// What became of each report's results, once all cells have been asked for.
  [[nodiscard]] std::vector<TakenOver> counts() const;

 private:
  struct Place {
    const EarlierResults* report;
    const BenchResult* result;
  };
  const std::vector<EarlierResults>& earlier_;
  std::map<std::string, Place> places_;
  std::set<std::string> wanted_;
};

}  // namespace crayon
