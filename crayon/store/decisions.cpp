#include "crayon/store/decisions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string_view>

#include "crayon/base/error.h"
#include "crayon/store/internal/impl.h"

namespace crayon {
namespace {

constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kLeastDigits = 4;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

void check_record(const DecisionRecord& record) {
  if (record.id.size() != kIdDigits || !is_hex(record.id)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("decision log: an id of {} characters; expected {} hexadecimal digits",
                            record.id.size(), kIdDigits));
  }
  for (const double value :
       {record.top, record.margin, record.entropy, record.confidence, record.scope.value_or(0),
        record.score, record.threshold, record.seconds}) {
    if (std::isfinite(value)) continue;
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("decision log: a number of {} is {}; expected finite ones", record.id, value));
  }
}

/// The id that begins so.
std::string whole_id(const Database& database, const std::string& start) {
  if (start.size() < kLeastDigits || start.size() > kIdDigits || !is_hex(start)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("'{}' is no id of an answer; expected {} to {} of 0-9 a-f, as `--json` "
                            "and the header x-crayon-id give it",
                            start.substr(0, kIdDigits), kLeastDigits, kIdDigits));
  }
  Statement query = database.prepare("SELECT id FROM decision WHERE id >= ? AND id < ? LIMIT 2");
  query.bind(std::string_view(start)).bind(std::string_view(start + "g"));  // behind all digits
  std::vector<std::string> found;
  while (query.next()) found.push_back(query.text(0));
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    throw Error(ErrorCode::NotFound,
                fmt::format("no answer '{}' in the log {}; its id stands in the answer's JSON and "
                            "its header x-crayon-id",
                            start, database.file()));
  }
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("'{}' begins several ids, {} and {} among them; give more digits", start,
                          found[0], found[1]));
}

/// As read_record() reads them.
constexpr std::string_view kColumns =
    "id, task, server, reason, choices, top, margin, entropy, confidence, scope, score, threshold, "
    "prompt_tokens, completion_tokens, seconds, money, saved";

DecisionRecord read_record(const Statement& row) {
  return {.id = row.text(0),
          .task = row.text(1),
          .server = row.integer(2) != 0,
          .reason = row.text(3),
          .choices = row.integer(4) != 0,
          .top = row.real(5),
          .margin = row.real(6),
          .entropy = row.real(7),
          .confidence = row.real(8),
          .scope = row.optional_real(9),
          .score = row.real(10),
          .threshold = row.real(11),
          .prompt_tokens = row.integer(12),
          .completion_tokens = row.integer(13),
          .seconds = row.real(14),
          .money = row.integer(15),
          .saved = row.integer(16)};
}

}  // namespace

std::string new_decision_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

void Store::add(const DecisionRecord& record) {
  check_record(record);
  const std::lock_guard lock(impl_->mutex);
  const Database& database = impl_->database;
  impl_->force_to_disk(false);
  Statement insert = database.prepare(
      "INSERT OR IGNORE INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?)");
  insert.bind(std::string_view(record.id))
      .bind(impl_->now())
      .bind(std::string_view(record.task))
      .bind(std::int64_t{record.server})
      .bind(std::string_view(record.reason))
      .bind(std::int64_t{record.choices})
      .bind(record.top)
      .bind(record.margin)
      .bind(record.entropy)
      .bind(record.confidence)
      .bind(record.scope)
      .bind(record.score)
      .bind(record.threshold)
      .bind(record.prompt_tokens)
      .bind(record.completion_tokens)
      .bind(record.seconds)
      .bind(record.money)
      .bind(record.saved)
      .run();
  if (database.changes() == 1) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("decision log: '{}' is there already; expected a new id", record.id));
}

std::string Store::mark(const std::string& id, bool good) {
  const std::lock_guard lock(impl_->mutex);
  const Database& database = impl_->database;
  impl_->force_to_disk(true);
  WriteTransaction transaction(database);
  const std::string whole = whole_id(database, id);
  database.prepare("INSERT OR REPLACE INTO feedback VALUES (?, ?, ?)")
      .bind(std::string_view(whole))
      .bind(impl_->now())
      .bind(std::int64_t{good})
      .run();
  transaction.commit();
  return whole;
}

DecisionRecord Store::decision(const std::string& id) {
  const std::lock_guard lock(impl_->mutex);
  const std::string whole = whole_id(impl_->database, id);
  Statement query =
      impl_->database.prepare("SELECT " + std::string(kColumns) + " FROM decision WHERE id = ?");
  query.bind(std::string_view(whole)).next();
  return read_record(query);
}

std::vector<DecisionRecord> Store::recent(const std::string& task, std::size_t n) {
  const std::lock_guard lock(impl_->mutex);
  Statement query = impl_->database.prepare("SELECT " + std::string(kColumns) +
                                            " FROM decision WHERE task = ? "
                                            "ORDER BY time DESC, id DESC LIMIT ?");
  query.bind(std::string_view(task)).bind(static_cast<std::int64_t>(n));
  std::vector<DecisionRecord> out;
  while (query.next()) out.push_back(read_record(query));
  std::ranges::reverse(out);
  return out;
}

std::vector<JudgedDecision> Store::judged(const std::string& task) {
  const std::lock_guard lock(impl_->mutex);
  Statement query = impl_->database.prepare(
      "SELECT " + std::string(kColumns) +
      ", good FROM decision JOIN feedback ON feedback.decision = decision.id "
      "WHERE task = ? ORDER BY decision.time, id");
  query.bind(std::string_view(task));
  std::vector<JudgedDecision> out;
  while (query.next()) {
    out.push_back({.record = read_record(query), .good = query.integer(17) != 0});
  }
  return out;
}

}  // namespace crayon
