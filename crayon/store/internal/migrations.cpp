#include "crayon/store/internal/migrations.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/base/log.h"

namespace crayon {
namespace {

constexpr std::int64_t kApplication = 0x43524159;  // says whose file it is: "CRAY"

// Money is in billionths of the currency's unit, times in seconds since 1970.
constexpr std::array<std::string_view, kStoreVersion> kSteps = {
    // 1: budgets. A period is a day ("2026-11-27") or a month ("2026-11") in UTC; its sums hold the
    // open reservations too.
    R"(CREATE TABLE spending(
         period TEXT PRIMARY KEY, calls INTEGER NOT NULL, tokens INTEGER NOT NULL,
         money INTEGER NOT NULL) WITHOUT ROWID;
       CREATE TABLE reservation(
         id INTEGER PRIMARY KEY AUTOINCREMENT, opened INTEGER NOT NULL, day TEXT NOT NULL,
         month TEXT NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL,
         money INTEGER NOT NULL);)",
    // 2: the decision log and what its users said of the answers. No column holds a text of theirs.
    R"(CREATE TABLE decision(
         id TEXT PRIMARY KEY, time INTEGER NOT NULL, task TEXT NOT NULL, server INTEGER NOT NULL,
         reason TEXT NOT NULL, choices INTEGER NOT NULL, top REAL NOT NULL, margin REAL NOT NULL,
         entropy REAL NOT NULL, confidence REAL NOT NULL, scope REAL, score REAL NOT NULL,
         threshold REAL NOT NULL, prompt_tokens INTEGER NOT NULL,
         completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, money INTEGER NOT NULL,
         saved INTEGER NOT NULL) WITHOUT ROWID;
       CREATE INDEX decision_time ON decision(time);
       CREATE TABLE feedback(
         decision TEXT PRIMARY KEY REFERENCES decision(id) ON DELETE CASCADE,
         time INTEGER NOT NULL, good INTEGER NOT NULL) WITHOUT ROWID;)",
};

/// Sees the file as one moment has it.
class ReadTransaction {
 public:
  explicit ReadTransaction(const Database& database) : database_(database) {
    database_.run("BEGIN");
  }
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;
  ~ReadTransaction() {
    try {
      database_.run("ROLLBACK");
    } catch (const Error& error) {
      log_debug(error.what());
    }
  }

 private:
  const Database& database_;
};

void check_owner(const Database& database) {
  const auto application = database.number("PRAGMA application_id");
  const auto tables = database.number("SELECT count(*) FROM sqlite_master");
  if (application == kApplication || (application == 0 && tables == 0)) return;
  throw Error(ErrorCode::Incompatible,
              fmt::format("{}: a database of another program (application {:#x}, {} tables); "
                          "expected one of crayon, or none: move it away",
                          database.file(), application, tables));
}

std::int64_t checked_version(const Database& database) {
  const auto found = database.number("PRAGMA user_version");
  if (found >= 0 && found <= kStoreVersion) return found;
  throw Error(ErrorCode::Unsupported,
              fmt::format("{}: version {} of the tables; this crayon knows up to {}: update it, or "
                          "set CRAYON_HOME to another folder",
                          database.file(), found, kStoreVersion));
}

/// The version, once the file is known to be ours. Another process may be making the tables at this
/// very moment: owner and version must be read together.
std::int64_t present_version(const Database& database) {
  const ReadTransaction moment(database);
  check_owner(database);
  return checked_version(database);
}

/// The switch needs the file for itself for a moment; SQLite does not always wait for that.
void use_wal(const Database& database, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (true) {
    try {
      database.run("PRAGMA journal_mode = WAL");
      return;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::Unavailable || std::chrono::steady_clock::now() > end) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

void migrate(const Database& database, std::chrono::milliseconds patience, std::int64_t version) {
  if (present_version(database) >= version) return;
  use_wal(database, patience);
  WriteTransaction transaction(database);
  check_owner(database);  // again: another process may have been first
  for (auto step = checked_version(database); step < version; ++step) {
    database.run(std::string(kSteps[static_cast<std::size_t>(step)]));
    database.run(fmt::format("PRAGMA user_version = {}", step + 1));
  }
  database.run(fmt::format("PRAGMA application_id = {}", kApplication));
  transaction.commit();
}

}  // namespace crayon
