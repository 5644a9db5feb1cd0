#include "crayon/formats/data_sets.h"

#include <fmt/format.h>

#include <set>

#include "tests/corrupt/support.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using ::testing::ElementsAre;

class DataFolder : public ::testing::Test {
 protected:
  void write(const std::string& name, int rows) const {
    std::string text;
    for (int i = 0; i < rows; ++i) {
      text += fmt::format(R"({{"prompt": "{} {}", "completion": "x"}})", name, i);
      text += "\n";
    }
    fs::create_directories((root() / name).parent_path());
    write_atomically(root() / name, text);
  }
  [[nodiscard]] fs::path root() const { return scratch_.path() / "data"; }
  test::ScratchFolder scratch_;
};

TEST_F(DataFolder, FilesAndSubfoldersAreSetsByNameAndOthersAreLeftAlone) {
  write("b.jsonl", 1);
  write("c/train.jsonl", 1);
  write("c/validation.jsonl", 1);
  write("a.jsonl.gz", 1);  // found by its name; not read here
  write("README.md", 1);
  write("d/test.jsonl", 1);
  const auto sets = find_data_sets(root());
  ASSERT_EQ(sets.size(), 3u);
  EXPECT_EQ(sets[0].name, "a");
  EXPECT_EQ(sets[1].name, "b");
  EXPECT_EQ(sets[1].train, root() / "b.jsonl");
  EXPECT_EQ(sets[1].validation, "");
  EXPECT_EQ(sets[2].name, "c");
  EXPECT_EQ(sets[2].train, root() / "c/train.jsonl");
  EXPECT_EQ(sets[2].validation, root() / "c/validation.jsonl");
}

TEST_F(DataFolder, AFolderWithATrainFileIsOneSetOfItsName) {
  write("mine/train.jsonl", 1);
  for (const fs::path& folder : {root() / "mine", root() / "mine/"}) {
    const auto sets = find_data_sets(folder);
    ASSERT_EQ(sets.size(), 1u);
    EXPECT_EQ(sets[0].name, "mine");
  }
}

TEST_F(DataFolder, NoFolderNoSetAndOneNameTwiceAreRefused) {
  expect_error([&] { (void)find_data_sets(root()); }, ErrorCode::NotFound, "no such folder");
  write("notes.txt", 1);
  expect_error([&] { (void)find_data_sets(root()); }, ErrorCode::InvalidArgument,
               "holds no set, expected NAME.jsonl[.gz]");
  write("a.jsonl", 1);
  write("a/train.jsonl", 1);
  expect_error([&] { (void)find_data_sets(root()); }, ErrorCode::InvalidArgument, "'a' twice");
}

TEST_F(DataFolder, ASampleTakesAnEqualShareOfEachSetAndIsTheSameBySeed) {
  write("few.jsonl", 2);
  write("many.jsonl", 40);
  write("more/train.jsonl", 40);
  const auto prompts = [&](std::uint64_t seed) {
    std::vector<std::string> texts;
    for (const Example& example : sample_prompts(root(), 12, seed).examples) {
      texts.push_back(example.prompt);
    }
    return texts;
  };
  const auto got = prompts(1);
  EXPECT_EQ(got.size(), 10u) << "2 of the small set, 4 of each other";
  EXPECT_EQ(std::set(got.begin(), got.end()).size(), 10u);
  EXPECT_EQ(prompts(1), got);
  EXPECT_NE(prompts(2), got);
  EXPECT_THAT(sample_prompts(root(), 12, 1).sets, ElementsAre("few", "many", "more"));
  const PromptSample file = sample_prompts(root() / "many.jsonl", 100, 1);
  EXPECT_EQ(file.examples.size(), 40u);
  EXPECT_TRUE(file.sets.empty());
}

}  // namespace
}  // namespace crayon
