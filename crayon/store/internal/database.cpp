#include "crayon/store/internal/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <exception>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/log.h"

namespace crayon {
namespace {

Error failure(int code, const std::string& file, const std::string& reason) {
  const int kind = code & 0xFF;
  if (kind == SQLITE_NOTADB || kind == SQLITE_CORRUPT) {
    return {ErrorCode::CorruptFile,
            fmt::format("{}: not a database, or a damaged one ({}); move it away: a new one is "
                        "made, with empty budgets and log",
                        file, reason)};
  }
  return {ErrorCode::Unavailable, fmt::format("{}: {} (SQLite code {})", file, reason, code)};
}

/// So that the file, and what SQLite puts beside it with the same rights, is its owner's alone.
void make_private_file(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) {
    ::close(fd);
    return;
  }
  const int error = errno;
  throw Error(ErrorCode::Unavailable, fmt::format("{}: cannot open it to read and write: {}", file,
                                                  std::generic_category().message(error)));
}

}  // namespace

void Statement::Free::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

Statement::Statement(sqlite3* database, const std::string& file, std::string_view sql)
    : database_(database), file_(file) {
  sqlite3_stmt* statement = nullptr;
  check(
      sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr));
  handle_.reset(statement);
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) throw failure(code, file_, sqlite3_errmsg(database_));
}

Statement& Statement::bind(std::int64_t value) {
  check(sqlite3_bind_int64(handle_.get(), ++bound_, value));
  return *this;
}

Statement& Statement::bind(double value) {
  check(sqlite3_bind_double(handle_.get(), ++bound_, value));
  return *this;
}

Statement& Statement::bind(std::string_view value) {
  check(sqlite3_bind_text(handle_.get(), ++bound_, value.data(), static_cast<int>(value.size()),
                          SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind(std::optional<double> value) {
  if (value) return bind(*value);
  check(sqlite3_bind_null(handle_.get(), ++bound_));
  return *this;
}

bool Statement::next() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) throw failure(code, file_, sqlite3_errmsg(database_));
  return false;
}

void Statement::run() {
  while (next()) {
  }
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

double Statement::real(int column) const { return sqlite3_column_double(handle_.get(), column); }

std::string Statement::text(int column) const {
  const auto* text = sqlite3_column_text(handle_.get(), column);
  const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
  return text == nullptr ? "" : std::string(reinterpret_cast<const char*>(text), bytes);
}

std::optional<double> Statement::optional_real(int column) const {
  if (sqlite3_column_type(handle_.get(), column) == SQLITE_NULL) return std::nullopt;
  return real(column);
}

void Database::Close::operator()(sqlite3* database) const noexcept { sqlite3_close(database); }

Database::Database(const std::filesystem::path& file, std::chrono::milliseconds patience)
    : file_(file.string()) {
  make_private_file(file_);
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(file_.c_str(), &database, flags, nullptr);
  handle_.reset(database);
  if (code != SQLITE_OK) throw failure(code, file_, sqlite3_errstr(code));
  sqlite3_busy_timeout(database, static_cast<int>(patience.count()));
}

Statement Database::prepare(std::string_view sql) const { return {handle_.get(), file_, sql}; }

void Database::run(const std::string& sql) const {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw failure(code, file_, sqlite3_errmsg(handle_.get()));
}

std::int64_t Database::number(std::string_view sql) const {
  Statement query = prepare(sql);
  return query.next() ? query.integer(0) : 0;
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }

std::int64_t Database::last_id() const { return sqlite3_last_insert_rowid(handle_.get()); }

WriteTransaction::WriteTransaction(const Database& database) : database_(database) {
  database_.run("BEGIN IMMEDIATE");
}

WriteTransaction::~WriteTransaction() {
  if (!open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const std::exception& error) {  // SQLite may have rolled back by itself
    log_debug(error.what());
  }
}

void WriteTransaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace crayon
