// The program `crayon` as users and scripts see it: what it prints, its JSON keys and files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "crayon/base/files.h"
#include "crayon/base/sha256.h"
#include "crayon/cli/internal/program_fixture_test.h"
#include "crayon/formats/task_file.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(Program, CustomizePrintsTheKeysThatScriptsRelyOn) {
  const Json got = json(kCustomize + " --name keys");
  for (const char* key : {"task", "file", "pool", "n_examples", "weights", "mode", "rank",
                          "relative_error", "seconds", "leave_one_out", "kept"}) {
    EXPECT_TRUE(got.contains(key)) << key;
  }
  for (const char* key : {"load", "embed", "gate", "blend", "write", "total"}) {
    EXPECT_TRUE(got["seconds"].contains(key)) << key;
  }
  for (const char* key : {"base", "blended", "n"}) {
    EXPECT_TRUE(got["leave_one_out"].contains(key)) << key;
  }
  EXPECT_EQ(got["task"], "keys");
  EXPECT_EQ(got["n_examples"], 8);
  EXPECT_EQ(got["scope_examples_needed"], 20);
  EXPECT_EQ(got["weights"].size(), 3u);
  EXPECT_EQ(got["leave_one_out"]["n"], 8);
  EXPECT_TRUE(read_task(got["file"].get<std::string>()).info);
}

TEST_F(Program, CustomizeTellsPeopleWeightsTimesAndWhatToDoNext) {
  const ProgramRun done = run(kCustomize + " -o people.gguf");
  EXPECT_EQ(done.status, 0) << done.notes;
  for (const char* text : {"a0 ", "a2 ", "█", "seconds  load", "kept ", "crayon eval --task",
                           "scope    none with 8 examples; from 20 on"}) {
    EXPECT_THAT(done.out, HasSubstr(text));
  }
  EXPECT_THAT(done.out + done.notes, Not(HasSubstr("secret")));
}

TEST_F(Program, CustomizeTakesModesWeightsRefineAndStandardInput) {
  const Json low = json(kCustomize + " -o low.gguf --mode lowrank --rank 1 --no-compare");
  EXPECT_EQ(low["mode"], "lowrank");
  EXPECT_EQ(low["rank"], 1);
  EXPECT_GT(low["relative_error"], 0.01);
  const Json fixed = json(kCustomize + " -o fixed.gguf --weights 0.5,-0.25,0 --no-compare");
  EXPECT_EQ(fixed["weights"], Json({0.5, -0.25, 0.0}));
  EXPECT_EQ(fixed["relative_error"], 0.0);
  EXPECT_TRUE(json(kCustomize + " -o refined.gguf --refine")["leave_one_out"].contains("n"));
  const std::string line = R"({"question":"a","choices":["x","y"]})"
                           "\n";
  EXPECT_EQ(json("customize --model model.gguf --pool pool --examples - -o in.gguf",
                 line + line)["n_examples"],
            2);
}

/// id, answer and scores of each line: what does not depend on the clock.
std::vector<Json> answers_in(const std::string& lines) {
  std::vector<Json> found;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    const Json json = Json::parse(line);
    found.push_back({json.at("id"), json.at("answer"), json.at("scores")});
  }
  return found;
}

TEST_F(Program, AskAnswersOneQuestionAStreamAndAFile) {
  ASSERT_EQ(run(kCustomize + " -o ask.gguf").status, 0);
  const std::string ask = "ask --model model.gguf --task ask.gguf ";
  const Json one = json(ask + "--choice yes --choice no 'is it'");
  for (const char* key : {"answer", "choice", "side", "reason", "confidence", "scope", "seconds"}) {
    EXPECT_TRUE(one.contains(key)) << key;
  }
  EXPECT_TRUE(one["tokens"].contains("prompt"));
  EXPECT_TRUE(one["tokens"].contains("completion"));
  EXPECT_EQ(one["side"], "device");
  EXPECT_EQ(one["scope_examples_needed"], 20);
  const ProgramRun stream = run(ask + "-", read_text(world_->path("examples.jsonl")));
  EXPECT_EQ(std::ranges::count(stream.out, '\n'), 8) << stream.notes;
  EXPECT_EQ(answers_in(run(ask + "-q --questions examples.jsonl").out), answers_in(stream.out));
  const Json free = json("ask --model model.gguf --task base --max-tokens 3 hello");
  EXPECT_LE(free["tokens"]["completion"], 3);
}

TEST_F(Program, AskStreamStopsAtABadLineAndNamesItAfterAnsweringTheOthers) {
  const std::string good = R"({"question":"a","choices":["x","y"]})"
                           "\n";
  const ProgramRun done =
      run("ask --model model.gguf --task base -", good + "{\"secret\"\n" + good);
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(std::ranges::count(done.out, '\n'), 1);
  EXPECT_THAT(done.notes, HasSubstr("standard input:2"));
}

TEST_F(Program, AQuestionThatDoesNotFitCostsItsOwnAnswerOnly) {
  const std::string good = R"({"id":"good","question":"a","choices":["x","y"]})"
                           "\n";
  const std::string lines = R"({"id":"long","question":"secret )" + std::string(2000, 'x') +
                            R"(","choices":["x","y"]})"
                            "\n" +
                            good;
  world_->write("long.jsonl", lines);
  const std::string ask = "ask -q --model model.gguf --task base --context-tokens 64 ";
  for (const ProgramRun& done : {run(ask + "-", lines), run(ask + "--questions long.jsonl")}) {
    EXPECT_EQ(done.status, 0) << done.notes;
    const auto end = done.out.find('\n');
    const Json failed = Json::parse(done.out.substr(0, end));
    EXPECT_EQ(failed["id"], "long");
    EXPECT_THAT(failed["error"], HasSubstr("64"));
    EXPECT_EQ(Json::parse(done.out.substr(end))["id"], "good");
    EXPECT_THAT(done.notes, HasSubstr("1 of 2 questions"));
  }
  const ProgramRun made =
      run("customize --model model.gguf --pool pool -o new.gguf --context-tokens 64 "
          "--examples long.jsonl");
  EXPECT_EQ(made.status, 2);
  EXPECT_THAT(made.notes, HasSubstr("example 'long'"));
}

TEST_F(Program, CtrlCWhileAskWaitsForALineIsNoSuccess) {
  ASSERT_EQ(mkfifo(world_->path("pipe").c_str(), 0600), 0);
  const ProgramRun done =
      run("ask --model model.gguf --task base -", {},
          "sh -c 'exec 3<>pipe; exec timeout --preserve-status -s INT 3 \"$@\" <&3' sh");
  EXPECT_EQ(done.status, 130) << done.notes;
  std::filesystem::remove(world_->path("pipe"));
}

TEST_F(Program, OutputThatCannotBeWrittenIsNoSuccess) {
  for (const char* args : {"models list", "--help"}) {
    const ProgramRun done = run(args, {}, "sh -c 'exec \"$@\" >/dev/full' sh");
    EXPECT_EQ(done.status, 7) << args;
    EXPECT_THAT(done.notes, HasSubstr("standard output cannot be written")) << args;
  }
}

TEST_F(Program, AskSaysThatTheServerIsDownAndStillAnswers) {
  const ProgramRun done =
      run("ask --model model.gguf --task base --server-url http://127.0.0.1:9 --side server "
          "--choice yes --choice no 'is it'");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.out, ::testing::AnyOf("yes\n", "no\n"));
  EXPECT_THAT(done.notes, HasSubstr("server unavailable"));
}

TEST_F(Program, EvalPrintsKeysAndDetails) {
  ASSERT_EQ(run(kCustomize + " -o eval.gguf").status, 0);
  const Json got = json(
      "eval --model model.gguf --task eval.gguf --data examples.jsonl "
      "--details details.jsonl");
  EXPECT_EQ(got["n"], 8);
  for (const char* side : {"base", "blended"}) {
    EXPECT_TRUE(got[side].contains("accuracy"));
    EXPECT_TRUE(got[side].contains("standard_error"));
  }
  EXPECT_GT(got["questions_per_second"], 0);
  const std::string details = read_text(world_->path("details.jsonl"));
  EXPECT_EQ(std::ranges::count(details, '\n'), 8);
  const Json first = Json::parse(details.substr(0, details.find('\n')));
  EXPECT_EQ(first["id"], "e0");
  EXPECT_EQ(first["answer"], 0);
  for (const char* key : {"choice", "scores", "confidence", "scope"}) {
    EXPECT_TRUE(first["blended"].contains(key)) << key;
  }
  EXPECT_THAT(details, Not(HasSubstr("secret")));
}

TEST_F(Program, BlendWritesAFileOfTheAskedNumberType) {
  const Json got = json("blend --pool pool --weights 1,0.5,0 --dtype f32 -o b.gguf");
  for (const char* key : {"file", "mode", "rank", "relative_error", "bytes", "seconds"}) {
    EXPECT_TRUE(got.contains(key)) << key;
  }
  EXPECT_EQ(got["rank"], 4);
  EXPECT_EQ(got["bytes"], std::filesystem::file_size(world_->path("b.gguf")));
}

TEST_F(Program, TasksArePutAwayShownStrippedAndDeleted) {
  ASSERT_EQ(run(kCustomize + " --name kept").status, 0);
  EXPECT_THAT(run("task list").out, HasSubstr("kept  8 examples"));
  const auto shown = json("task show kept");
  EXPECT_EQ(shown["weights"].size(), 3u);
  EXPECT_EQ(shown["choice_probe"], shown["kept"].get<std::string>().ends_with("+choices"));
  ASSERT_EQ(run("task strip kept -o bare.gguf").status, 0);
  EXPECT_FALSE(read_task(world_->path("bare.gguf")).info);
  EXPECT_EQ(run("task add bare.gguf --name bare2").status, 0);
  EXPECT_EQ(run("task delete kept").status, 0);
  EXPECT_EQ(run("task show kept").status, 3);
}

TEST_F(Program, ListsAreOneObjectAndOneBadFileHidesNoOther) {
  EXPECT_EQ(json("task list", {}, "CRAYON_HOME=" + world_->path("nowhere").string()),
            Json::parse(R"({"tasks":[]})"));
  EXPECT_EQ(json("pool list run"), Json::parse(R"({"pools":[]})"));
  ASSERT_EQ(run(kCustomize + " --name zzz").status, 0);
  world_->write("home/tasks/broken.gguf", "nothing");
  world_->write("home/tasks/no task.gguf", "nothing");
  const ProgramRun tasks = run("task list");
  EXPECT_EQ(tasks.status, 0);
  EXPECT_THAT(tasks.out, HasSubstr("broken  cannot be read: "));
  EXPECT_THAT(tasks.out, HasSubstr("\nzzz  8 examples"));
  EXPECT_THAT(tasks.out, Not(HasSubstr("no task")));
  const Json objects = json("task list")["tasks"];
  EXPECT_EQ(std::ranges::count_if(objects, [](const Json& one) { return one.contains("error"); }),
            1);
  EXPECT_EQ(objects.back()["task"], "zzz");
  std::filesystem::create_directories(world_->path("many/a"));
  world_->write("many/a/pool.json", "{");
  std::filesystem::copy(world_->path("pool"), world_->path("many/b"),
                        std::filesystem::copy_options::recursive);
  const ProgramRun pools = run("pool list many");
  EXPECT_EQ(pools.status, 0);
  EXPECT_THAT(pools.out, HasSubstr("many/a  cannot be read: "));
  EXPECT_THAT(pools.out, HasSubstr("\ntiny-"));
  EXPECT_EQ(json("pool list many")["pools"].size(), 2u);
  std::filesystem::remove(world_->path("home/tasks/broken.gguf"));
  std::filesystem::remove(world_->path("home/tasks/no task.gguf"));
}

TEST_F(Program, PoolsAreListedShownAndVerified) {
  EXPECT_THAT(run("pool list .").out, HasSubstr("tiny-"));
  EXPECT_EQ(json("pool show pool")["n_adapters"], 3);
  EXPECT_THAT(run("pool show pool").out, HasSubstr("trained   "));
  EXPECT_EQ(run("pool verify pool --model model.gguf").status, 0);
  std::filesystem::copy(world_->path("pool"), world_->path("broken"),
                        std::filesystem::copy_options::recursive);
  world_->write("broken/adapters/a1.gguf", "nothing");
  const ProgramRun broken = run("pool verify broken");
  EXPECT_EQ(broken.status, 5);
  EXPECT_THAT(broken.out, HasSubstr("FAILED"));
}

TEST_F(Program, ServeSaysItsAddressAndEndsOnCtrlC) {
  const std::string serve = "serve --model model.gguf --port 0";
  const ProgramRun done = world_->run(serve, {}, "timeout --preserve-status -s INT 3");
  EXPECT_EQ(done.status, 130) << done.notes;
  EXPECT_THAT(done.out, StartsWith("http://127.0.0.1:"));
}

TEST_F(Program, DefaultsComeFromFlagsThenEnvironmentThenTheFile) {
  const std::string limited = kCustomize + " -o limit.gguf";
  world_->write("crayon.toml", "limit = 3\n[customize]\nlimit = 2\n[eval]\nlimit = 7\n");
  EXPECT_EQ(json(limited)["n_examples"], 2);
  EXPECT_EQ(json(limited, {}, "CRAYON_LIMIT=4")["n_examples"], 4);
  EXPECT_EQ(json(limited + " --limit 5", {}, "CRAYON_LIMIT=4")["n_examples"], 5);
  world_->write("crayon.toml", "limt = 3\n");
  ProgramRun bad = run("task list");
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.notes, HasSubstr("crayon.toml:1: unknown key 'limt'; did you mean limit"));
  world_->write("crayon.toml", "limit = 3\nname = [\n");
  bad = run("task list");
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.notes, HasSubstr("crayon.toml:"));
  EXPECT_EQ(std::ranges::count(bad.notes, '\n'), 1);
  std::filesystem::remove(world_->path("crayon.toml"));
}

TEST_F(Program, CustomizeSaysWhatItCutAndWhyItDidNotCompare) {
  const std::string passage(600, 'x');
  world_->write("passage.jsonl", R"({"question":"a","context":")" + passage +
                                     R"(","choices":["x","y"],"answer":0})"
                                     "\n" +
                                     R"({"question":"b","choices":["x","y"]})"
                                     "\n");
  const std::string made = "customize --model model.gguf --pool pool -o cut.gguf ";
  const std::string cut = made + "--context-tokens 128 --examples passage.jsonl";
  EXPECT_EQ(json(cut)["cut_examples"], 1);
  EXPECT_THAT(run(cut).out, HasSubstr("1 passage to fit the context"));
  EXPECT_THAT(run(cut).out, HasSubstr("one labelled question only"));
  EXPECT_THAT(run(made + "--examples examples.jsonl --no-compare").out,
              HasSubstr("not compared, as --no-compare asks"));
}

TEST_F(Program, AFlagIsStrongerThanADefaultThatItExcludes) {
  const std::string ask = "ask --model model.gguf --task base --side device hi";
  const std::string server = " --server-url http://127.0.0.1:9";
  EXPECT_EQ(run(ask + server, {}, "CRAYON_SERVER_SHARE=0.5").status, 0);
  world_->write("crayon.toml", "server-share = 0.5\n");
  EXPECT_EQ(run(ask + server).status, 0);
  std::filesystem::remove(world_->path("crayon.toml"));
  EXPECT_EQ(run(ask + server + " --server-share 0.5").status, 2);
}

TEST_F(Program, AKeyOfBlanksIsNone) {
  world_->write("blank.key", " \n");
  const std::string serve = "serve --model model.gguf --port 0 --host 0.0.0.0";
  EXPECT_EQ(run(serve, {}, "CRAYON_KEY=' '").status, 2);
  EXPECT_THAT(run(serve + " --key-file blank.key").notes, HasSubstr("the key file is empty"));
}

/// The program beside a trainer that prints its arguments.
TEST_F(Program, TrainHandsFlagsEnvironmentAndSettingsToTheTrainer) {
  std::filesystem::create_directories(world_->path("bin"));
  std::filesystem::copy_file(std::getenv("CRAYON_BIN"), world_->path("bin/crayon"));
  world_->write("bin/crayon-trainer", "#!/bin/sh\nprintf '%s ' \"$@\"\n");
  std::filesystem::permissions(world_->path("bin/crayon-trainer"),
                               std::filesystem::perms::owner_all);
  const std::string copied = " sh -c 'shift; exec bin/crayon \"$@\"' sh";
  world_->write("crayon.toml", "gpu-layers = 0\n[train]\nthreads = 2\nslice-minutes = 1.5\n");
  EXPECT_EQ(run("task list").status, 0);
  ProgramRun done = run("train --json", {}, "CRAYON_THREADS= CRAYON_CONFIG=c.toml" + copied);
  EXPECT_EQ(done.out, "--config=c.toml --slice-minutes=1.5 --threads=2 --json ") << done.notes;
  done = run("train --config d.toml --restart --gpu-layers 3", {}, copied);
  EXPECT_EQ(done.out, "--config=d.toml --restart --slice-minutes=1.5 --threads=1 ");
  EXPECT_THAT(done.notes, HasSubstr("--gpu-layers is not used"));
  std::filesystem::remove(world_->path("crayon.toml"));
}

TEST_F(Program, AnotherQuantisationOfTheBaseWarnsAndIsUsed) {
  write_random_model(world_->path("again.gguf"), {.seed = 2});  // same shapes, other bytes
  const ProgramRun done = run(
      "customize -q --model again.gguf --pool pool --examples examples.jsonl -o again-task.gguf");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.notes, HasSubstr("another quantisation"));
  EXPECT_TRUE(read_task(world_->path("again-task.gguf")).info->calibration.approximate);
}

TEST_F(Program, BenchComparesMethodsAndGoesOnWhereItWas) {
  world_->write("tasks.toml", "[tasks]\nmine = { data = \"examples.jsonl\" }");
  const std::string bench =
      "bench customize --model model.gguf --pool pool --tasks tasks.toml --work work "
      "--methods base,few-shot,crayon -k 4 --seeds 1,2 ";
  const ProgramRun done = run(bench + "-o report.json.gz --html report.html");
  EXPECT_EQ(done.status, 0) << done.notes;
  for (const char* name : {"base", "few-shot", "crayon"}) EXPECT_THAT(done.out, HasSubstr(name));
  EXPECT_THAT(read_text(world_->path("report.html")), HasSubstr("few-shot"));
  const Json report = json(bench);
  EXPECT_EQ(report["results"].size(), 6u);
  EXPECT_EQ(report["settings"]["model"]["sha256"], sha256_file(world_->path("model.gguf")));
  const ProgramRun shown = run("bench report report.json.gz");
  EXPECT_EQ(shown.status, 0) << shown.notes;
  EXPECT_THAT(shown.out, HasSubstr("few-shot"));
  EXPECT_EQ(run("bench report report.json.gz report.json.gz").status, 0);
  EXPECT_THAT(run("bench methods").out, HasSubstr("crayon-refined"));
}

TEST_F(Program, HelpAndVersionGoToStandardOutput) {
  EXPECT_THAT(run("--version").out, StartsWith("crayon 0."));
  const ProgramRun help = run("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("customize"));
  EXPECT_THAT(help.out, HasSubstr("Examples:"));
  EXPECT_EQ(help.notes, "");
}

}  // namespace
}  // namespace crayon
