#include "crayon/server/internal/metrics.h"

#include <fmt/format.h>

#include "crayon/router/router.h"
#include "crayon/store/budget.h"

namespace crayon::server {
namespace {

std::string head(const char* name, const char* kind, const char* help) {
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, kind);
}

}  // namespace

void Metrics::count(const DecisionRecord& record) {
  const std::string name = to_string(record.server ? crayon::Side::Server : crayon::Side::Device);
  const std::lock_guard lock(mutex_);
  ++answers_[{name, record.reason}];
  Side& side = sides_[name];
  ++side.answers;
  side.prompt_tokens += record.prompt_tokens;
  side.completion_tokens += record.completion_tokens;
  side.seconds += record.seconds;
  money_ += record.money;
}

void Metrics::count_refused() {
  const std::lock_guard lock(mutex_);
  ++refused_;
}

std::string Metrics::text(std::size_t waiting) const {
  const std::lock_guard lock(mutex_);
  std::string out = head("crayon_answers_total", "counter", "Answers by side and reason.");
  for (const auto& [key, n] : answers_) {
    // A reason is a phrase of ours: no quote or backslash to escape.
    out += fmt::format("crayon_answers_total{{side=\"{}\",reason=\"{}\"}} {}\n", key.first,
                       key.second, n);
  }
  out += head("crayon_tokens_total", "counter", "Tokens by side and kind.");
  for (const auto& [name, side] : sides_) {
    out += fmt::format(
        "crayon_tokens_total{{side=\"{0}\",kind=\"prompt\"}} {1}\n"
        "crayon_tokens_total{{side=\"{0}\",kind=\"completion\"}} {2}\n",
        name, side.prompt_tokens, side.completion_tokens);
  }
  out += head("crayon_answer_seconds", "summary", "Seconds from request to the answer's end.");
  for (const auto& [name, side] : sides_) {
    out += fmt::format(
        "crayon_answer_seconds_sum{{side=\"{0}\"}} {1}\n"
        "crayon_answer_seconds_count{{side=\"{0}\"}} {2}\n",
        name, side.seconds, side.answers);
  }
  out += head("crayon_server_money_total", "counter",
              "What servers cost, those that failed included.");
  out += fmt::format("crayon_server_money_total {}\n",
                     static_cast<double>(money_) / static_cast<double>(kMoneyUnit));
  out += head("crayon_blocked_total", "counter", "Requests that the policy blocks.");
  out += fmt::format("crayon_blocked_total {}\n", refused_);
  out += head("crayon_queue_waiting", "gauge", "Requests that wait for the engine.");
  return out + fmt::format("crayon_queue_waiting {}\n", waiting);
}

}  // namespace crayon::server
