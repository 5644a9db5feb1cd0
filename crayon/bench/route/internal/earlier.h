// Results of earlier reports, by what they were worked out from.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "crayon/bench/route/answers.h"
#include "crayon/bench/run.h"

namespace crayon::internal {

inline std::string whose(const DeviceResult&) { return "the device"; }
inline std::string whose(const ServerResult& result) { return result.server; }

/// Borrows the results. Of several with one key the first one is taken.
template <typename Result>
class ByKey {
 public:
  void add(std::size_t report, const std::vector<Result>& results) {
    for (const Result& result : results) places_.try_emplace(result.key, report, &result);
  }

  [[nodiscard]] const Result* find(const std::string& key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    wanted_.insert(key);
    return found->second.second;
  }

  /// How many of these are wanted and taken from this report, are wanted but another's, or not.
  void count(std::size_t report, const std::vector<Result>& results, TakenOver& to) const {
    for (const Result& result : results) {
      if (!wanted_.contains(result.key)) {
        ++to.others;
        const std::string name = whose(result);
        if (std::ranges::find(to.methods, name) == to.methods.end()) to.methods.push_back(name);
      } else {
        const bool first = places_.at(result.key) == std::pair(report, &result);
        ++(first ? to.taken : to.again);
      }
    }
  }

 private:
  std::map<std::string, std::pair<std::size_t, const Result*>> places_;
  std::set<std::string> wanted_;
};

}  // namespace crayon::internal
