#include "crayon/bench/result_store.h"

#include <gtest/gtest.h>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

TEST(ResultStore, KeepsValuesByTheirKeys) {
  const TemporaryFolder folder;
  const nlohmann::json key = {{"kind", "x"}, {"n", 1}};
  const ResultStore store(folder.path() / "deep" / "work");
  EXPECT_FALSE(store.get(key));
  store.put(key, {1.5f, -2.25f});
  EXPECT_EQ(*store.get(key), nlohmann::json({1.5, -2.25}));
  EXPECT_FALSE(store.get({{"kind", "x"}, {"n", 2}}));
  store.put(key, "other");
  EXPECT_EQ(*ResultStore(folder.path() / "deep" / "work").get(key), "other");
}

TEST(ResultStore, ADamagedFileCountsAsNotThere) {
  const TemporaryFolder folder;
  const ResultStore store(folder.path());
  store.put("key", "value");
  const std::filesystem::path file = store.folder_of("key").string() + ".cbor";
  const auto bytes = read_file(file);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    write_atomically(file, std::span(bytes).first(n));
    EXPECT_FALSE(store.get("key")) << n;
  }
  store.put("key", "again");
  EXPECT_EQ(*store.get("key"), "again");
}

TEST(ResultStore, AFolderThatCannotBeMadeIsAnError) {
  const TemporaryFolder folder;
  write_atomically(folder.path() / "file", std::string_view("x"));
  EXPECT_THROW(ResultStore(folder.path() / "file" / "work"), Error);
}

}  // namespace
}  // namespace crayon
