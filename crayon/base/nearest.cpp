#include "crayon/base/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace crayon {

// Wagner and Fischer (1974), two rows at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row.back();
}

std::vector<std::string> nearest_names(std::string_view name, std::span<const std::string> known,
                                       std::size_t most) {
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& candidate : known) {
    const bool holds = !name.empty() && candidate.find(name) != std::string::npos;
    const std::size_t distance = holds ? 0 : edit_distance(name, candidate);
    // Half of the longer name changed is still a likely slip; more is another name.
    if (2 * distance <= std::max(name.size(), candidate.size())) {
      found.emplace_back(distance, candidate);
    }
  }
  std::sort(found.begin(), found.end());
  if (found.size() > most) found.resize(most);
  std::vector<std::string> names;
  for (auto& [distance, candidate] : found) names.push_back(std::move(candidate));
  return names;
}

}  // namespace crayon
