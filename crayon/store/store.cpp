#include "crayon/store/store.h"

#include <fmt/format.h>

#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/store/internal/impl.h"
#include "crayon/store/internal/migrations.h"

namespace crayon {
namespace {

constexpr std::int64_t kKeptSeconds = std::int64_t{400} * 24 * 3600;  // of the decision log

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return;
  throw Error(ErrorCode::Unavailable,
              fmt::format("cannot make the folder {}: {}", folder.string(), error.message()));
}

}  // namespace

std::filesystem::path store_file() { return data_folder() / "crayon.db"; }

Store::Store(const std::filesystem::path& file, StoreOptions options) {
  if (file.has_parent_path()) make_folder(file.parent_path());
  impl_ = std::make_unique<Impl>(file, std::move(options));
  const Database& database = impl_->database;
  migrate(database, impl_->options.patience);
  database.run("PRAGMA foreign_keys = ON");
  impl_->force_to_disk(false);
  const auto oldest = impl_->now() - kKeptSeconds;
  if (database.number(fmt::format("SELECT count(*) FROM decision WHERE time < {}", oldest)) > 0) {
    database.run(fmt::format("DELETE FROM decision WHERE time < {}", oldest));
  }
}

Store::~Store() = default;

}  // namespace crayon
