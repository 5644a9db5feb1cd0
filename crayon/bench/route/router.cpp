#include "crayon/bench/route/router.h"

namespace crayon {

RouterRows router_rows(const DeviceRows& rows, Matrix z) {
  RouterRows found{.signals = {},
                   .log_prob = rows.log_prob,
                   .confidence = rows.confidence,
                   .scope = rows.scope,
                   .z = std::move(z)};
  for (const auto& scores : rows.scores) found.signals.push_back(choice_signals(scores));
  return found;
}

std::vector<std::uint8_t> only_server(const LabelledRows& rows) {
  std::vector<std::uint8_t> found;
  for (std::size_t i = 0; i < rows.device.size(); ++i) {
    found.push_back(rows.server[i] != 0 && rows.device[i] == 0);
  }
  return found;
}

std::string to_string(BenchRouter::Knows knows) {
  switch (knows) {
    case BenchRouter::Knows::Nothing:
      return "no labels";
    case BenchRouter::Knows::Examples:
      return "the examples' labels";
    case BenchRouter::Knows::BothSides:
      return "the examples' labels and the server's answers to them";
    case BenchRouter::Knows::OtherTasks:
      return "other tasks' labels and the server's answers to them";
    case BenchRouter::Knows::Answers:
      break;
  }
  return "the answers themselves";
}

}  // namespace crayon
