// Numbers of a report as people read them, the same on the page and in the terminal.
#pragma once

#include <string>
#include <vector>

#include "crayon/bench/internal/report_data.h"

namespace crayon {

/// Beside every table of costs.
inline constexpr const char* kCostCaution =
    "Seconds and tokens/s are those of the run that worked a result out, whatever else its machine "
    "did then: compare methods by them only where all were measured in one pass on a quiet machine "
    "(benchmarks/cost.toml).";

/// 0.5432 as "54.3".
[[nodiscard]] std::string percent(double share);

/// A difference of two shares in points: "+3.2", "-0.4", "0.0".
[[nodiscard]] std::string points(double difference);

/// Two digits that count, none behind the point from 10 on or where there is none: "0.42", "3.1",
/// "8".
[[nodiscard]] std::string short_number(double number);

/// "0", "640 B", "12.5 kB", "1.2 MB": powers of 1000.
[[nodiscard]] std::string short_bytes(double bytes);

/// "", or "*" where a corrected p-value is below 0.05.
[[nodiscard]] std::string significance(const Comparison& comparison);

/// "1 task", "3 tasks".
[[nodiscard]] std::string counted(std::size_t n, const std::string& noun);

/// "a", "a and b", "a, b and c".
[[nodiscard]] std::string listed(const std::vector<std::string>& names);

/// Are results of the plan missing?
[[nodiscard]] bool is_partial(const ReportData& data);

/// "12 of 36 planned results".
[[nodiscard]] std::string results_text(const ReportData& data);

/// The machines' names, each with its number of results where there are several.
[[nodiscard]] std::vector<std::string> machines_of(const ReportData& data);

/// "Held-out tasks": what a group's table is headed with.
[[nodiscard]] std::string group_title(const std::string& group);

/// The rivals that any line of the table is held to, in their own order.
[[nodiscard]] std::vector<std::string> rivals_of(const SummaryTable& table);

/// The one with this rival, or null.
[[nodiscard]] const Comparison* find_comparison(const std::vector<Comparison>& against,
                                                const std::string& rival);

/// The methods that any of ours is held to, in the order of the lines.
[[nodiscard]] std::vector<std::string> rivals_of_ours(const SummaryTable& table);

/// "server 3 of 900": of the methods of a table, replies that named no choice; "" where all did.
[[nodiscard]] std::string unparsed_text(const ReportData& data, const SummaryTable& table);

/// Methods that have results at this K and switch but no line in the table: they lack a task.
[[nodiscard]] std::vector<std::string> left_out(const ReportData& data, const SummaryTable& table);

}  // namespace crayon
