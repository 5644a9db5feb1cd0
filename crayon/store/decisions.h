// The decision log: who answered, why, from which numbers, at what cost. No text of a request or an
// answer; a reason is a phrase of ours.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace crayon {

struct DecisionRecord {
  std::string id;        ///< new_decision_id()
  std::string task;      ///< The task's name; a file of that name lies beside the store.
  bool server = false;   ///< Who answered.
  std::string reason;    ///< "unsure", "private: e-mail", ...
  bool choices = false;  ///< A question with choices; else free text.
  double top = 1;        ///< The device's raw signals, as the router defines them.
  double margin = 1;
  double entropy = 0;
  double confidence = 0;             ///< P(the device is right), as calibrated then.
  std::optional<double> scope = {};  ///< p-value.
  double score = 0;                  ///< What the router compared ...
  double threshold = 0;              ///< ... with what.
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  double seconds = 0;
  std::int64_t money = 0;  ///< What servers cost, those that failed included; see kMoneyUnit.
  std::int64_t saved = 0;  ///< What the device's answer would have cost there.
};

/// One side's part of the statistics.
struct SideStatistics {
  std::int64_t answers = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  double seconds = 0;  ///< Sum.
  std::int64_t right = 0;
  std::int64_t wrong = 0;
};

struct DecisionStatistics {
  SideStatistics device;
  SideStatistics server;
  std::int64_t money = 0;
  std::int64_t saved = 0;
  std::map<std::string, std::int64_t> reasons;  ///< Answers for each.
};

/// A decision that its user marked.
struct JudgedDecision {
  DecisionRecord record;
  bool good = false;  ///< The answer that was given was right.
};

/// 16 hexadecimal digits, random.
[[nodiscard]] std::string new_decision_id();

}  // namespace crayon
