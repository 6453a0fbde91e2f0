"""What is looked for in machine code is found there, and nothing else; the pieces are as ptxas 12.8 made them."""

from tests.backends.machine_code import lost_in

RIGHT = """
        /*0000*/                   S2R R203, SR_TID.X ;
        /*0010*/                   UMOV UR4, 0x400 ;
        /*0020*/                   UIADD3 UR8, UR4, 0x8000, URZ ;
        /*0030*/                   USHF.R.U32.HI UR54, URZ, 0x4, UR8 ;
        /*0040*/                   UMOV UR55, 0x80000020 ;
.L_x_1:
        /*0050*/                   UIADD3.64 UR58, UR54, 0x40, URZ ;
        /*0060*/                   HGMMA.64x32x16.F32.BF16 R124, R156, gdesc[UR52].tnspB, R124 ;
        /*0070*/                   HGMMA.64x32x16.F32.BF16 R124, R160, gdesc[UR56].tnspB, R124, gsb0 ;
        /*0080*/               @P0 BRA `(.L_x_1) ;
        /*0090*/                   EXIT ;
"""

SAME_REGISTER = """
        /*0000*/                   S2R R0, SR_CTAID.X ;
        /*0010*/                   IADD3 R7, P6, R0, 0x40, RZ ;
        /*0020*/                   R2UR UR54, R7 ;
        /*0030*/                   IADD3.X R19, R0, -0x7fffffe0, RZ, P6, !PT ;
        /*0040*/                   STL [R1+0x10], R19 ;
        /*0050*/                   LDL R21, [R1+0x10] ;
        /*0060*/                   R2UR UR55, R21 ;
        /*0070*/                   HGMMA.64x32x16.F32.BF16 R124, R156, gdesc[UR52].tnspB, R124, gsb0 ;
        /*0080*/                   EXIT ;
"""

NEVER_SET = """
        /*0000*/                   UIADD3 UR22, UP0, UR22, 0x2, URZ ;
        /*0010*/                   UIADD3.X UR23, UR23, -0x7fffffe0, URZ, UP0, !UPT ;
        /*0020*/                   HGMMA.64x16x16.F32.BF16 R88, R24, gdesc[UR20].tnspB, R88 ;
        /*0030*/                   EXIT ;
"""


def test_a_right_descriptor_is_let_through():
    assert lost_in(RIGHT) == []
    assert lost_in("") == []


def test_a_lost_one_is_found():
    assert len(lost_in(SAME_REGISTER)) == 1
    assert len(lost_in(NEVER_SET)) == 1
    assert lost_in(SAME_REGISTER.replace("IADD3.X R19, R0,", "IADD3.X R19, RZ,")) == []
    assert len(lost_in(RIGHT.replace("UMOV UR55, 0x80000020", "UMOV UR55, UR9"))) == 2


def test_one_way_there_is_enough():
    skipped = RIGHT.replace("        /*0040*/", "        /*0038*/               @P0 BRA `(.L_x_1) ;\n        /*0040*/")
    assert len(lost_in(skipped)) == 2


def test_registers_may_change_places():
    swapped = RIGHT.replace(
        ".L_x_1:",
        """        /*0044*/                   ULOP3.LUT UR54, UR54, UR55, URZ, 0x3c, !UPT ;
        /*0046*/                   ULOP3.LUT UR55, UR54, UR55, URZ, 0x3c, !UPT ;
        /*0048*/                   ULOP3.LUT UR54, UR54, UR55, URZ, 0x3c, !UPT ;
.L_x_1:""",
    )
    assert len(lost_in(swapped)) == 2
    back = swapped.replace("UMOV UR55, 0x80000020", "UMOV UR55, UR54").replace(
        "USHF.R.U32.HI UR54, URZ, 0x4, UR8", "NOP"
    )
    assert lost_in(back.replace("UIADD3 UR8, UR4, 0x8000, URZ", "UMOV UR54, 0x1")) == []
