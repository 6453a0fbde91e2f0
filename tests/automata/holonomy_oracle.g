# What GAP's package SgpDec says of the holonomy decomposition of the machines below: for each level, from the top,
# [tiles, order of the holonomy group, the group] of every representative set with more than one state.
#
# A cross-check run by hand; nothing of ours needs GAP. In GAP 4.12 or later with the packages semigroups and SgpDec,
#
#     gap> Read("tests/automata/holonomy_oracle.g");
#
# writes holonomy_oracle.json into the current folder; tests/automata/test_holonomy.py compares with the copy beside
# this file. Each machine is [name, letters]; a letter lists the state after each state, counted from 1 here, from 0 in
# the JSON file.

LoadPackage("sgpdec", false);

MACHINES := [
  ["all maps of 2 points", [[2, 1], [1, 1]]],
  ["all maps of 3 points", [[2, 3, 1], [2, 1, 3], [1, 1, 3]]],
  ["all permutations of 3 points", [[2, 3, 1], [2, 1, 3]]],
  ["all maps of 4 points", [[2, 3, 4, 1], [2, 1, 3, 4], [1, 1, 3, 4]]],
  ["all permutations of 4 points", [[2, 3, 4, 1], [2, 1, 3, 4]]],
  ["all maps of 5 points", [[2, 3, 4, 5, 1], [2, 1, 3, 4, 5], [1, 1, 3, 4, 5]]],
  ["all permutations of 5 points", [[2, 3, 4, 5, 1], [2, 1, 3, 4, 5]]],
  ["cycle of 2", [[2, 1]]],
  ["cycle of 3", [[2, 3, 1]]],
  ["cycle of 4", [[2, 3, 4, 1]]],
  ["cycle of 6", [[2, 3, 4, 5, 6, 1]]],
  ["cycle of 12", [[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1]]],
  ["cycle of 5 with a reset", [[2, 3, 4, 5, 1], [1, 1, 1, 1, 1]]],
  ["even permutations of 5 points", [[2, 3, 4, 5, 1], [2, 3, 1, 4, 5]]],
  ["symmetries of a square", [[2, 3, 4, 1], [1, 4, 3, 2]]],
  ["even permutations of 4 points", [[2, 3, 1, 4], [2, 1, 4, 3]]],
  ["flip-flop", [[1, 2], [1, 1], [2, 2]]],
  ["flip-flop without hold", [[1, 1], [2, 2]]],
  ["counter up to 4", [[2, 3, 4, 5, 5], [1, 1, 1, 1, 1]]],
  ["up and down a chain of 5", [[2, 3, 4, 5, 5], [1, 1, 2, 3, 4]]],
  ["shift register of 3 bits", [[1, 3, 5, 7, 1, 3, 5, 7], [2, 4, 6, 8, 2, 4, 6, 8]]],
  ["partial bijections of 4 points", [[2, 3, 4, 1, 5], [2, 1, 3, 4, 5], [5, 2, 3, 4, 5]]],
  ["language (aa)*b", [[2, 1, 4, 4], [3, 4, 4, 4]]],
  ["language (ab|ba)*", [[2, 4, 1, 4], [3, 1, 4, 4]]],
  ["language (ab)*", [[2, 3, 3], [3, 1, 3]]],
  ["language (a*ba*ba*ba*)*", [[2, 2, 3, 4, 5], [3, 3, 4, 5, 3]]],
  ["language (a|b)*abb(a|b)*", [[2, 2, 2, 4], [1, 3, 4, 4]]],
  ["language (aa|bb|(ab|ba)(aa|bb)*(ab|ba))*", [[2, 1, 4, 3], [3, 4, 1, 2]]],
  ["language a*b*a*b*", [[1, 3, 3, 5, 5], [2, 2, 4, 4, 5]]],
  ["language ((a|b)(a|b)(a|b))*a", [[2, 4, 4, 1], [3, 4, 4, 1]]],
  ["random 1", [[3, 1, 2], [1, 2, 2]]],
  ["random 2", [[1, 3, 4, 3], [2, 2, 4, 4]]],
  ["random 3", [[2, 4, 1, 4, 4], [4, 4, 3, 5, 3]]],
  ["random 4", [[5, 3, 6, 1, 3, 2], [1, 3, 3, 2, 4, 3]]],
  ["random 5", [[3, 2, 1], [1, 3, 3], [3, 3, 2]]],
  ["random 6", [[2, 3, 2, 2], [4, 3, 4, 2], [4, 2, 1, 3]]],
  ["random 7", [[4, 3, 2, 4, 3], [5, 4, 2, 3, 1], [3, 1, 3, 5, 4]]],
  ["random 8", [[5, 3, 1, 4, 5, 1], [4, 5, 5, 5, 3, 2], [6, 1, 6, 2, 2, 6]]],
  ["random 9", [[2, 2, 1], [3, 1, 2]]],
  ["random 10", [[3, 1, 4, 2], [3, 2, 3, 2]]],
  ["random 11", [[1, 1, 4, 3, 4], [2, 5, 5, 3, 3]]],
  ["random 12", [[5, 1, 2, 1, 1, 4], [5, 3, 3, 3, 6, 3]]],
  ["random 13", [[1, 3, 3], [3, 2, 3], [2, 3, 2]]],
  ["random 14", [[2, 4, 3, 4], [3, 4, 3, 1], [1, 3, 2, 1]]],
  ["random 15", [[3, 1, 5, 4, 2], [4, 5, 2, 4, 3], [4, 5, 4, 4, 1]]],
  ["random 16", [[6, 1, 3, 5, 6, 1], [2, 1, 4, 2, 3, 4], [2, 4, 1, 1, 2, 2]]],
  ["random 17", [[3, 2, 1], [1, 1, 2]]],
  ["random 18", [[4, 3, 2, 1], [4, 2, 1, 2]]],
  ["random 19", [[4, 2, 1, 5, 1], [2, 1, 3, 3, 3]]],
  ["random 20", [[4, 5, 6, 3, 1, 2], [5, 3, 2, 3, 5, 1]]],
  ["random 21", [[3, 3, 1], [1, 1, 3], [2, 3, 1]]],
  ["random 22", [[4, 4, 3, 1], [3, 3, 3, 3], [2, 2, 1, 2]]],
  ["random 23", [[2, 5, 3, 3, 3], [3, 3, 4, 4, 3], [1, 1, 3, 1, 5]]],
  ["random 24", [[4, 2, 6, 4, 6, 5], [2, 6, 5, 1, 5, 4], [6, 3, 5, 2, 3, 5]]],
  ["random 25", [[2, 3, 1], [1, 1, 3]]],
  ["random 26", [[2, 4, 1, 3], [3, 1, 2, 2]]],
  ["random 27", [[1, 5, 5, 3, 3], [4, 3, 3, 2, 3]]],
  ["random 28", [[4, 1, 4, 6, 6, 3], [4, 1, 1, 2, 3, 5]]],
  ["random 29", [[3, 1, 1], [1, 3, 3], [2, 3, 3]]],
  ["random 30", [[1, 4, 3, 2], [4, 4, 3, 2], [3, 2, 4, 2]]],
  ["random 31", [[3, 5, 1, 2, 4], [1, 3, 2, 3, 5], [4, 1, 1, 3, 4]]],
  ["random 32", [[3, 1, 3, 2, 4, 3], [3, 5, 2, 1, 3, 1], [6, 4, 2, 4, 6, 1]]],
  ["random 33", [[2, 3, 3], [1, 3, 2]]],
  ["random 34", [[2, 3, 1, 1], [4, 4, 1, 2]]],
  ["random 35", [[1, 2, 3, 5, 4], [3, 4, 2, 3, 5]]],
  ["random 36", [[2, 2, 6, 3, 4, 4], [2, 5, 5, 6, 3, 6]]],
  ["random 37", [[2, 3, 3], [1, 2, 2], [1, 1, 1]]],
  ["random 38", [[2, 4, 1, 4], [4, 3, 1, 2], [1, 1, 3, 1]]],
  ["random 39", [[1, 3, 2, 3, 1], [1, 2, 2, 3, 3], [3, 4, 5, 3, 4]]],
  ["random 40", [[6, 3, 5, 1, 4, 2], [3, 6, 4, 1, 5, 5], [2, 3, 2, 2, 4, 4]]],
  ["random 41", [[5, 6, 6, 5, 3, 1, 2], [7, 1, 5, 2, 3, 3, 4]]],
  ["random 42", [[1, 4, 6, 3, 4, 7, 2], [5, 3, 2, 3, 1, 3, 5]]],
  ["random 43", [[6, 7, 2, 8, 7, 2, 5, 1], [4, 7, 6, 2, 1, 3, 7, 1]]],
  ["random 44", [[6, 5, 5, 7, 7, 1, 7, 5], [3, 4, 3, 1, 4, 8, 2, 2]]],
  ["random 45", [[8, 6, 3, 5, 5, 9, 4, 3, 7], [3, 4, 8, 5, 2, 6, 6, 5, 8]]]
];

Levels := function(letters)
  local sk, reps;
  sk := Skeleton(Semigroup(List(letters, Transformation)));
  reps := RepresentativeSets(sk);
  return List([1 .. DepthOfSkeleton(sk) - 1],
              depth -> SortedList(List(Filtered(reps[depth], set -> SizeBlist(set) > 1), function(set)
                local group;
                group := HolonomyGroup@SgpDec(sk, set);
                return [Size(TilesOf(sk, set)), Order(group), StructureDescription(group)];
              end)));
end;

Json := function(value)
  if IsString(value) and not (IsList(value) and Length(value) = 0) then
    return Concatenation("\"", value, "\"");
  elif IsList(value) then
    return Concatenation("[", JoinStringsWithSeparator(List(value, Json), ", "), "]");
  fi;
  return String(value);
end;

FILE := OutputTextFile("holonomy_oracle.json", false);
SetPrintFormattingStatus(FILE, false);
AppendTo(FILE, "{\"made_by\": \"GAP ", GAPInfo.Version, ", SgpDec ", InstalledPackageVersion("sgpdec"),
         "\",\n \"machines\": [\n");
for number in [1 .. Length(MACHINES)] do
  AppendTo(FILE, "  {\"name\": ", Json(MACHINES[number][1]), ",\n   \"letters\": ", Json(MACHINES[number][2] - 1),
           ",\n   \"levels\": ", Json(Levels(MACHINES[number][2])), "}");
  if number < Length(MACHINES) then AppendTo(FILE, ","); fi;
  AppendTo(FILE, "\n");
od;
AppendTo(FILE, "]}\n");
CloseStream(FILE);
