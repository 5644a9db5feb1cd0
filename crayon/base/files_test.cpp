#include "crayon/base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "crayon/base/error.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "crayon-files-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(Files, AWrittenFileReadsBackAndReplacesTheOldOne) {
  write_atomically(folder_ / "a", "one");
  write_atomically(folder_ / "a", "two");
  EXPECT_EQ(read_text(folder_ / "a"), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "a temporary file stayed";
}

TEST_F(Files, SaysWhatIsWrongWithAPath) {
  const auto code_of = [](const auto& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Unsupported;
  };
  EXPECT_EQ(code_of([&] { (void)read_file(folder_ / "none"); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { (void)read_file(folder_); }), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { write_atomically(folder_ / "no" / "a", "x"); }),
            ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { write_atomically(folder_, "x"); }), ErrorCode::InvalidArgument);
  write_atomically(folder_ / "big", "12345");
  EXPECT_EQ(code_of([&] { (void)read_file(folder_ / "big", 4); }), ErrorCode::InvalidArgument);
}

TEST_F(Files, AFileSystemThatTakesNoFileIsOneClearError) {
  EXPECT_THROW(write_atomically("/proc/a", "new"), Error);  // no file can be made there
}

}  // namespace
}  // namespace crayon
