#include "crayon/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/store/internal/database.h"
#include "crayon/store/internal/migrations.h"
#include "crayon/store/internal/support_for_tests.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Property;
using testing::Throws;

constexpr std::chrono::milliseconds kPatience{2000};

testing::Matcher<std::function<void()>> fails(ErrorCode code, const std::string& what) {
  return Throws<Error>(
      AllOf(Property(&Error::code, code), Property(&Error::what, HasSubstr(what))));
}
std::function<void()> open(const std::filesystem::path& file) {
  return [file] { const Store store(file); };
}

TEST(Store, MakesFolderAndFileForItsOwnerAlone) {
  const StoreFolder folder;
  const Store store(folder.file());
  for (const auto* end : {"", "-wal", "-shm"}) {
    const auto rights = std::filesystem::status(folder.file().string() + end).permissions();
    EXPECT_EQ(rights, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << end;
  }
}

TEST(Store, BringsAFileOfTheFirstVersionUpToDateAndKeepsItsBudgets) {
  const StoreFolder folder;
  std::filesystem::create_directories(folder.file().parent_path());
  {
    const Database old(folder.file(), kPatience);
    migrate(old, kPatience, 1);
    old.run("INSERT INTO spending VALUES ('2026-11-27', 3, 500, 7)");
    EXPECT_EQ(old.number("PRAGMA user_version"), 1);
    EXPECT_EQ(old.number("SELECT count(*) FROM sqlite_master WHERE name = 'decision'"), 0);
  }
  Store store(folder.file(), at(kNoon));
  const Amount today = store.spending().today;
  EXPECT_EQ(today.calls, 3);
  EXPECT_EQ(today.tokens, 500);
  EXPECT_EQ(today.money, 7);
  store.add({.id = new_decision_id(), .task = "t", .reason = "unsure"});
  const Database now(folder.file(), kPatience);
  EXPECT_EQ(now.number("PRAGMA user_version"), kStoreVersion);
}

TEST(Store, RefusesANewerVersionAndSaysWhichItKnows) {
  const StoreFolder folder;
  { const Store made(folder.file()); }
  Database(folder.file(), kPatience).run("PRAGMA user_version = 99");
  EXPECT_THAT(open(folder.file()), fails(ErrorCode::Unsupported, "version 99 of the tables"));
}

TEST(Store, RefusesAFileThatIsNoDatabase) {
  const StoreFolder folder;
  std::filesystem::create_directories(folder.file().parent_path());
  std::ofstream(folder.file()) << std::string(4096, 'x');
  EXPECT_THAT(open(folder.file()), fails(ErrorCode::CorruptFile, "not a database"));
}

TEST(Store, RefusesTheDatabaseOfAnotherProgram) {
  const StoreFolder folder;
  std::filesystem::create_directories(folder.file().parent_path());
  Database(folder.file(), kPatience).run("CREATE TABLE notes(text)");
  EXPECT_THAT(open(folder.file()), fails(ErrorCode::Incompatible, "database of another program"));
}

TEST(Store, RefusesAFolderThatCannotBeMade) {
  const StoreFolder folder;
  std::filesystem::create_directories(folder.file().parent_path().parent_path());
  std::ofstream(folder.file().parent_path()) << "a file";
  EXPECT_THAT(open(folder.file()), fails(ErrorCode::Unavailable, "cannot make the folder"));
}

TEST(Store, IsOpenedByManyAtOnceWhenItIsNew) {
  const StoreFolder folder;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_NO_THROW(open(folder.file())()); });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Store, ALockThatIsHeldTooLongIsAnErrorAndNoHang) {
  const StoreFolder folder;
  StoreOptions options;
  options.patience = std::chrono::milliseconds(30);
  Store store(folder.file(), options);
  const Database other(folder.file(), kPatience);
  const WriteTransaction held(other);
  EXPECT_THAT([&] { (void)store.reserve({.daily = {.calls = 1}}, {.calls = 1}); },
              fails(ErrorCode::Unavailable, "locked"));
}

}  // namespace
}  // namespace crayon
