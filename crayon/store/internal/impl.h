// What the functions of Store share.
#pragma once

#include <mutex>
#include <string>

#include "crayon/store/internal/database.h"
#include "crayon/store/store.h"

namespace crayon {

struct Store::Impl {
  Impl(const std::filesystem::path& file, StoreOptions o)
      : options(std::move(o)), database(file, options.patience) {}

  /// Seconds since 1970.
  [[nodiscard]] std::int64_t now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(options.clock().time_since_epoch())
        .count();
  }
  /// Must the next transactions be on disk when they are committed?
  void force_to_disk(bool force) const {
    database.run(force ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  }

  std::mutex mutex;  ///< One caller at a time: a connection has one transaction.
  StoreOptions options;
  Database database;
};

}  // namespace crayon
