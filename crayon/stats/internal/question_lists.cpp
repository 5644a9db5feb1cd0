#include "crayon/stats/internal/question_lists.h"

#include <algorithm>
#include <map>
#include <set>

#include "crayon/base/error.h"

namespace crayon {

std::vector<std::uint32_t> resampled(std::size_t n, Rng& rng) {
  std::vector<std::uint32_t> counts(n);
  for (std::size_t i = 0; i < n; ++i) ++counts[rng.below(n)];
  return counts;
}

QuestionLists::QuestionLists(const std::vector<RoutedTask>& tasks,
                             const std::vector<std::vector<AskedQuestion>>& asked) {
  std::vector<std::map<std::size_t, std::size_t>> places;  // those that rows ask, in order
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    auto& rows = rows_.emplace_back();
    for (std::size_t i = 0; i < tasks[t].front().scores.size(); ++i) {
      rows.push_back(asked.empty() ? AskedQuestion{t, i} : asked[t][i]);
      if (rows.back().list >= places.size()) places.resize(rows.back().list + 1);
      places[rows.back().list].emplace(rows.back().place, 0);
    }
  }
  for (auto& list : places) {
    std::size_t n = 0;
    for (auto& [place, index] : list) index = n++;
    sizes_.push_back(n);
  }
  for (auto& rows : rows_) {
    for (AskedQuestion& row : rows) row.place = places[row.list].at(row.place);
    if (has_a_whole_list(rows)) continue;
    throw Error(ErrorCode::InvalidArgument,
                "routing bands: a task without a whole list of questions; expected one, so that no "
                "replicate leaves it empty");
  }
}

std::vector<std::vector<std::uint32_t>> QuestionLists::draw(std::vector<Rng>& streams) const {
  std::vector<std::vector<std::uint32_t>> drawn;
  for (std::size_t list = 0; list < size(); ++list) {
    drawn.push_back(resampled(sizes_[list], streams[list]));
  }
  std::vector<std::vector<std::uint32_t>> counts;
  for (const auto& rows : rows_) {
    auto& of_task = counts.emplace_back();
    for (const AskedQuestion& row : rows) of_task.push_back(drawn[row.list][row.place]);
  }
  return counts;
}

bool QuestionLists::has_a_whole_list(const std::vector<AskedQuestion>& rows) const {
  std::map<std::size_t, std::set<std::size_t>> places;
  for (const AskedQuestion& row : rows) places[row.list].insert(row.place);
  return std::ranges::any_of(
      places, [&](const auto& list) { return list.second.size() == sizes_[list.first]; });
}

}  // namespace crayon
