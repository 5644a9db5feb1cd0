#include "crayon/bench/internal/report_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace crayon {
namespace {

constexpr double kSignificant = 0.05;

}  // namespace

std::string percent(double share) { return fmt::format("{:.1f}", 100 * share); }

std::string points(double difference) {
  const double rounded = std::round(1000 * difference) / 10;
  return rounded == 0 ? "0.0" : fmt::format("{:+.1f}", rounded);
}

std::string short_number(double number) {
  const double size = std::abs(number);
  if (size == std::round(size)) return fmt::format("{:.0f}", number);
  if (size < 0.005) return "<0.01";
  if (size < 0.995) return fmt::format("{:.2f}", number);
  return size < 9.95 ? fmt::format("{:.1f}", number) : fmt::format("{:.0f}", number);
}

std::string short_bytes(double bytes) {
  if (bytes == 0) return "0";
  if (bytes < 1e3) return fmt::format("{:.0f} B", bytes);
  if (bytes < 1e6) return fmt::format("{:.1f} kB", bytes / 1e3);
  return bytes < 1e9 ? fmt::format("{:.1f} MB", bytes / 1e6)
                     : fmt::format("{:.1f} GB", bytes / 1e9);
}

std::string significance(const Comparison& comparison) {
  return comparison.holm_p < kSignificant ? "*" : "";
}

std::string counted(std::size_t n, const std::string& noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

std::string listed(const std::vector<std::string>& names) {
  if (names.size() < 2) return names.empty() ? "" : names.front();
  return fmt::format("{} and {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

bool is_partial(const ReportData& data) { return data.results.size() < data.planned; }

std::string results_text(const ReportData& data) {
  return fmt::format("{} of {}", data.results.size(), counted(data.planned, "planned result"));
}

std::vector<std::string> machines_of(const ReportData& data) {
  if (data.machines.size() == 1) return data.machines;
  std::vector<std::string> found;
  for (std::size_t i = 0; i < data.machines.size(); ++i) {
    const auto n = std::ranges::count(data.results, i, &ReportResult::machine);
    found.push_back(
        fmt::format("{} ({})", data.machines[i], counted(static_cast<std::size_t>(n), "result")));
  }
  return found;
}

std::string group_title(const std::string& group) {
  if (group == "held-out") return "Held-out tasks";
  if (group == "near") return "Near tasks";
  if (group == "far") return "Far tasks";
  return group == "pool" ? "The pool's own tasks" : "All tasks";
}

std::vector<std::string> rivals_of(const SummaryTable& table) {
  std::vector<std::string> found;
  for (const char* rival : kRivals) {
    const auto is_held = [&](const SummaryLine& line) {
      return find_comparison(line.against, rival);
    };
    if (std::ranges::any_of(table.lines, is_held)) found.emplace_back(rival);
  }
  return found;
}

const Comparison* find_comparison(const std::vector<Comparison>& against,
                                  const std::string& rival) {
  const auto found = std::ranges::find(against, rival, &Comparison::against);
  return found == against.end() ? nullptr : &*found;
}

std::vector<std::string> rivals_of_ours(const SummaryTable& table) {
  std::vector<std::string> found;
  for (const SummaryLine& line : table.lines) {
    const auto is_held = [&](const OursLine& ours) {
      return find_comparison(ours.against, line.method);
    };
    if (std::ranges::any_of(table.ours, is_held)) found.push_back(line.method);
  }
  return found;
}

std::string unparsed_text(const ReportData& data, const SummaryTable& table) {
  std::vector<std::string> parts;
  for (const SummaryLine& line : table.lines) {
    std::ptrdiff_t unparsed = 0;
    std::size_t questions = 0;
    for (const ReportResult& result : data.results) {
      if (result.method != line.method || result.k != table.k ||
          !is_in_group(data.tasks[result.task].kind, table.group)) {
        continue;
      }
      unparsed += std::ranges::count(result.choices, kNoChoice);
      questions += result.choices.size();
    }
    if (unparsed > 0) parts.push_back(fmt::format("{} {} of {}", line.method, unparsed, questions));
  }
  return listed(parts);
}

std::vector<std::string> left_out(const ReportData& data, const SummaryTable& table) {
  std::vector<std::string> names;
  for (const TaskLine& line : data.summary.tasks) {
    if (line.k != table.k || line.label_calibration != table.label_calibration) continue;
    if (std::ranges::find(table.lines, line.method, &SummaryLine::method) != table.lines.end() ||
        std::ranges::find(names, line.method) != names.end()) {
      continue;
    }
    names.push_back(line.method);
  }
  return names;
}

}  // namespace crayon
