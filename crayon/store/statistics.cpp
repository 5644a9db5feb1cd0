#include <string_view>

#include "crayon/store/decisions.h"
#include "crayon/store/internal/impl.h"

namespace crayon {
namespace {

// "" stands for every task.
constexpr std::string_view kWhere = " WHERE decision.time >= ?1 AND (?2 = '' OR task = ?2) ";

}  // namespace

DecisionStatistics Store::statistics(std::chrono::system_clock::time_point since,
                                     const std::string& task) {
  const std::lock_guard lock(impl_->mutex);
  const auto from =
      std::chrono::duration_cast<std::chrono::seconds>(since.time_since_epoch()).count();
  const auto query = [&](std::string_view columns, std::string_view group) {
    std::string sql(columns);
    sql += " FROM decision LEFT JOIN feedback ON feedback.decision = decision.id";
    sql += kWhere;
    sql += group;
    Statement statement = impl_->database.prepare(sql);
    statement.bind(std::int64_t{from}).bind(std::string_view(task));
    return statement;
  };
  DecisionStatistics out;
  Statement sides = query(
      "SELECT server, count(*), sum(prompt_tokens), sum(completion_tokens), sum(seconds), "
      "count(CASE good WHEN 1 THEN 1 END), count(CASE good WHEN 0 THEN 1 END), sum(money), "
      "sum(saved)",
      "GROUP BY server");
  while (sides.next()) {
    SideStatistics& side = sides.integer(0) != 0 ? out.server : out.device;
    side = {.answers = sides.integer(1),
            .prompt_tokens = sides.integer(2),
            .completion_tokens = sides.integer(3),
            .seconds = sides.real(4),
            .right = sides.integer(5),
            .wrong = sides.integer(6)};
    out.money += sides.integer(7);
    out.saved += sides.integer(8);
  }
  Statement reasons = query("SELECT reason, count(*)", "GROUP BY reason");
  while (reasons.next()) out.reasons[reasons.text(0)] = reasons.integer(1);
  return out;
}

}  // namespace crayon
