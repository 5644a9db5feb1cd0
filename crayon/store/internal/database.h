// SQLite's C API, wrapped once: a connection, a statement, a transaction that writes. Its errors
// come out as Error: CorruptFile for what is no database, Unavailable for all else (locked, full,
// no rights).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace crayon {

/// A prepared statement; borrows its database. Values are bound in the order of the question marks.
class Statement {
 public:
  Statement(sqlite3* database, const std::string& file, std::string_view sql);

  Statement& bind(std::int64_t value);
  Statement& bind(double value);
  Statement& bind(std::string_view value);
  Statement& bind(std::optional<double> value);

  /// Steps to the next row; false at the end.
  bool next();
  /// Runs a statement that gives no rows.
  void run();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::optional<double> optional_real(int column) const;

 private:
  struct Free {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  void check(int code) const;

  sqlite3* database_;
  const std::string& file_;
  std::unique_ptr<sqlite3_stmt, Free> handle_;
  int bound_ = 0;
};

/// One connection. Not thread-safe, and not to be used in a child after fork().
class Database {
 public:
  /// Opens the file, made with rights for its owner alone where it is not there.
  /// @param patience  how long a locked database is waited for
  Database(const std::filesystem::path& file, std::chrono::milliseconds patience);

  [[nodiscard]] Statement prepare(std::string_view sql) const;
  /// Runs statements without values or rows.
  void run(const std::string& sql) const;
  /// The one number that a query gives.
  [[nodiscard]] std::int64_t number(std::string_view sql) const;
  /// Rows that the last statement changed.
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_id() const;
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const noexcept;
  };
  std::string file_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A transaction that holds the write lock from its beginning: one that upgrades later would be
/// refused at once, without waiting, when another process wrote in between. Rolls back unless
/// committed.
class WriteTransaction {
 public:
  explicit WriteTransaction(const Database& database);
  WriteTransaction(const WriteTransaction&) = delete;
  WriteTransaction& operator=(const WriteTransaction&) = delete;
  ~WriteTransaction();
  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

}  // namespace crayon
