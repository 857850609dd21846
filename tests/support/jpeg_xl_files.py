"""JPEG XL files that no Python library writes: colour spaces, animation, orientation.

cjxl of libjxl 0.7.0 made them from an image of 24 x 16 pixels: `PIXELS`, or `DEEP` with 16 bits.
The options were `-d 0`, or those beside the file with `-e 3`.
"""

import base64

import numpy as np

_DOWN, _RIGHT = np.mgrid[0:16, 0:24]
PIXELS = np.stack([110 + 2 * _RIGHT, 120 + 3 * _DOWN, 140 - 2 * _RIGHT], -1).astype(np.uint8)
DEEP = PIXELS.astype(np.uint16) * 257 - 3

# name -> input and options of cjxl, and the file in base 85
_FILES = {
    "p3": (
        "PPM, -x color_space=RGB_D65_DCI_Rel_SRG",
        "{|W;^KqfZ=2m%2BNC8VIG2M*y!FP~@_46bY6ciMc96%%j%A1TaPCN)Ga1_8$tONi92mu5T1PlNsG7u@D"
        "@&Et;i*)e+KNkQ1fP~MALJKTT)~&4l`V+-BR-wEE",
    ),
    "p3_lossy": (
        "PPM, -d 0.1 -x color_space=RGB_D65_DCI_Rel_SRG",
        "{|W;^LMAr?022rR=mP)$ssaE|p)$(2!OOXxFF$lxOxw85&{o?PmL!UdW0Q0Oha|Beg0}$z;Nb6h1OPE#"
        "@vV&?_J(n14IOaz%F3{N)rq+|9e@xlP$30UZMW^k7#m}ZcU09fM(VXc0%Zh+{ZnlD&A<1Zivt|>aAG}}"
        "qbL|~hfREH*p);F<95r!UL=B1GH!+11!4s#T;ety-"
        "ged1$*e;5kb~$8hHS%>-QVhRq(Zy#J25yKUZ6U=bLL5w*$ILn",
    ),
    "bt2020_gamma": (
        "PPM, -x color_space=RGB_D65_202_Rel_g0.4545455",
        "{|W;^K;GA_q6i2A0RTt=ODHkjjP=2Hkc0K}Boq`B6qFo5Bm&Btj4@6;2q<tAz)-"
        "9N00RgC1P}xa046dJDWUQJ004`0@c%y-004l5&x%3|EKb&~to`~E#Wz-=yaW",
    ),
    "linear": (
        "PPM, -x color_space=RGB_D65_SRG_Rel_Lin",
        "{|W;^K+z%y0s#O>0ZS+`-Hi3YcaVei^CT1$6cm&kKqLann~X6|JP0Uo6u?ld1ONjF0R#{P3;-"
        "rF5GkSZ0001sbnyQ_7XSc&gwKjX3oK67t*rg}6U8@Hp}Yh",
    ),
    "dci": (
        "PPM, -x color_space=RGB_DCI_DCI_Rel_DCI",
        "{|W;^fNAn02m%2BNC8VIG2M*y!FP~@_46bY6ciMc96%%j%A1TaPCN)Ga1_8$tONi92mu5T1PlNsG7u@D"
        "@&Et;i*)e+KNkQ1fP~MALJKTT)~&4l`V+-BR-wEE",
    ),
    "white_e": (
        "PPM, -x color_space=RGB_EER_SRG_Rel_SRG",
        "{|W;^fEYId2m%2BNC8VIG2M*y!FP~@_46bY6ciMc96%%j%A1TaPCN)Ga1_8$tONi92mu5T1PlNsG7u@D"
        "@&Et;i*)e+KNkQ1fP~MALJKTT)~&4l`V+-BR-wEE",
    ),
    "custom": (
        "PNG with gAMA and cHRM: the same primaries, and a gamma of 0.4547",
        "{|W;^K!N~>6NrQWMYG_l1^6TZrcT_jA_xcq0RTt=ODHkjjP=2Hkc0K}Boq`B6qFo5Bm&Btj4@6;2q<tA"
        "z)-9N00RgC1P}xa046dJDWUQJ004`0@c%y-004l5&x%3|EKb&~to`~E#Wz-=yaW",
    ),
    "gray_linear": (
        "PGM of the first channel, -x color_space=Gra_D65_Rel_Lin",
        "{|W;^P_zgL0s#QH081z}#y+eH5+*=_^5Vr9V?2y7hB3SVU;q#FKLp(W|A&80e^pf~u>h=~0PsK",
    ),
    "pq": (
        "PPM, -x color_space=RGB_D65_202_Rel_PeQ",
        "{|W;I5RgZYI2-@~0006A0s#O>0ZS+`-"
        "Hi3YcaVei^CT1$6cm&kKqLann~X6|JP0Uo6u?ld1ONjF0R#{P3;-"
        "rF5GkSZ0001sbnyQ_7XSc&gwKjX3oK67t*rg}6U8@Hp}Yh",
    ),
    "hlg": (
        "16-bit PPM, -x color_space=RGB_D65_202_Rel_HLG",
        "0000CN?1%F4GM<}0000KW^{RQYItlQ00000YItlQ00009YItmH3IG5AtZH~{WB&>R1^fWy83^<k00000"
        "0tf;D05}3mI6-"
        "xb^aC7R2RZot$0wnnprD}S5F$q4e3LQ8iNWF^;J^*E0l~#e05E_MKmb9&0AM167<82_FAxX>0)apv5C{"
        "YUfdG$wAP@)y0)c=!JP<hT4g>;$Kp+qR;SK}>fq?avH8&6l1OkCTAP@)y0)apv5C{YUfdD=@{PLX#*E="
        "`s{_>CP-yHys3I",
    ),
    "pq_lossy": (
        "PPM, -d 0.1 -x color_space=RGB_D65_202_Rel_PeQ",
        "{|W;^LLNN=022rRgarTpssaE|p)$(2!OOXxFF$lxOxw85&{o?PmL!UdW0Q0Oha|Bi0p0MUE)WDaX2g6m"
        "8owCNsXyB?^4oG8Zo{06QpPr=tW^EW?EpkU02NYTg<ZK-r5^7nT{16TJdqS*USiN8zzN-baPUF_a>s>F"
        "H)q;8$w%-"
        "$x0K!MU<2A!L9$Xwh@*_RvnJ_Xe4GvB2j%a8mh(0I)E}48Z(ZEDxEqw1fxb)l%d6k?#CTV?QvmyzGpZy"
        "gt@&S>bCL;nB$CEhd~+<u9<+#z(*0GA`|ho<a^CFk+;qcX;3UQ)Nrb|EO~pMa)!G&Zy`||BU4PLs+4j>"
        "~t}qHFx`>?mdWT58LN1Yw-#6kqgq$#TZ*C&=p*EMaB17T@2dw}",
    ),
    "deep_p3": (
        "16-bit PPM, -x color_space=RGB_D65_DCI_Rel_SRG",
        "0000CN?1%F4GM<}0000KW^{RQYItlQ00000YItlQ00009YItmH3IG5Aq-uC<WB&>R@dJ>_jR*n(05}3m"
        "I6-"
        "xb^aC7R2RZot$0wnnprD}S5F$q4e3LQ8iNWF^;J^*E0l~#e05E_MKmb9&0AM167<82_FAxX>0)apv5C{"
        "YUfdG$wAP@)y0)c=!JP<hT4g>;$Kp+qR;SK}>fq?avH8&6l1OkCTAP@)y0)apv5C{YUfdD=@{PLX#*E="
        "`s{_>CP-yHys3I",
    ),
    "icc": (
        "PNG with an ICC profile: the primaries of Adobe RGB and a gamma of 2.19921875",
        "{|W;^2yYDo66OKWR598<i|V{?Y0$?Pdx#nqTErGwg3PIpu=8Zl#f9Otkr3`|VRtr((X|ya8jUWk!D|Zx"
        "kae_mMu49<SIvyu%o%YTz<~b?ODle5G1PV9BA1ms6ao~jO=YFiOm%r@{Uz&_8^~oH-vCEnVRL0uPf_Wx"
        "0BdK<08M2}OIdTMy;jyYs?#*qPytT$_TPW!DNo~_K>LOC-"
        "+%WF_1}N{6~SIE6!<uoa}j)6f<yTblL!~`puTP(v<)ce`TWdVd6{pS{Caj2Rkr2J4$x7rAmt9J9YSjzJ"
        "}#Otmjeg_0RTt=ODHkjjP=2Hkc0K}Boq`B6qFo5Bm&Btj4@6;2q<tAz)-"
        "9N00RgC1P}xa046dJDWUQJ004`0@c%y-004l5&x%3|EKb&~to`~E#Wz-=yaW",
    ),
    "icc_lossy": (
        "PNG with an ICC profile: the primaries of Adobe RGB and a gamma of 2.19921875, -d 0.1",
        "{|W;^3U3Vq66OKWR598<i|V{?Y0$?Pdx#nqTErGwg3PIpu=8Zl#f9Otkr3`|VRtr((X|ya8jUWk!D|Zx"
        "kae_mMu49<SIvyu%o%YTz<~b?ODle5G1PV9BA1ms6ao~jO=YFiOm%r@{Uz&_8^~oH-vCEnVRL0uPf_Wx"
        "0BdK<08M2}OIdTMy;jyYs?#*qPytT$_TPW!DNo~_K>LOC-"
        "+%WF_1}N{6~SIE6!<uoa}j)6f<yTblL!~`puTP(v<)ce`TWdVd6{pS{Caj2Rkr2J4$x7rAmt9J9YSjzJ"
        "}#OtmjeJ32ms&$|Np8208pVa%DBPHxt=dSbXZK=xX#d4+ZL82ii~5EbOMJYu^@uC0Ro^<^{NB_F(2{im"
        "b&tLHeTgW+ul3ksG|6NW@=Nr1CRv?R7inL+b$iWB4aR)ZLjef+Asi6|9k@>;5I}Ru*zC?dm7CB;e3=8d"
        "y8rO3ErfL#IjBAy2&_#80YL#)5)6u{*Jgw?6_RiDwGlDa_9hcpRd>9kRjSW(seEtkwI^I5=CTHKq_x%g"
        "9n5y",
    ),
    "turned": (
        "JPEG of quality 100 with the orientation 6",
        "0000CN?1%F4GM<}0000KW^{RQYItlQ00000YItlQ0000IYItmL00000{|W;w5EB3Z0pn_7a%8}8+W>+f"
        "2rUBwKq3I4MuCv4N&o;r$WhsXp*a61h>Q`+IHwe}A0b1Sr4BO8K<N%OSRXQ+e9VAD4k|2i(69sBM-Bb^"
        "Bg-"
        "6i+<}Io`(KQ4#w3?)^2sQtJTuKT+k7+5ISV~B(M215G}1{+JvG%;TYWXwS&Kb3*=3u3Hri>+JvZHT+kH"
        "3Qc?&)`;e{K1IO2&%F8Sn?S8n;`m}efk=%bTfy6LB*o_g%E&rW;ow%?9>?!gN`Jn_XFe?0QZM=$;K)K_"
        "o)_1I?*e)!^#Pk#C4pO1d}@W(Iz{Pfpv|NZ#q|F2-"
        "GsssQ)$WhsXp*a69h=fu`S*H|<@qm!cs6mEFb)cbou;JW8ju}vp4;pgNVFxxAS>~wU?Zb{6TG1bQX7EX"
        "d_rDn9j7v88WRz2;xn`Sh#yMx9hbFpcqmM>9X{o2Cx@xPh#yV@U$0oaMv(H95ZMo;ByKcMh#yju81s|O"
        "7!VNzh@x&vSd~(VwxBPO<GY?(#(Md1e^wUvKJ$Bh=r@eODZ^u3N;DsNa_~MN}9{J>>mwtNctGE7o?6VJ"
        "F{PD>z-"
        "~98@Pd|S7=cm7Z`|rm;|9^oW0H`bg3kZPV01!$>Nk#wx0RR92009610{{R3D`IkQVnujqW*Z#<00eYn8"
        "wW94qN%?V31yU6w16ZJ(3by;9w`|B0003gYItmLfB*mi;9CF?09XVFSO{1MSpNSG000;O2mk>900000f"
        "Pf{5Vng)S9RQd}L4jn)7`!;f7;C$Yb{ouos{ZD50y7n((>b*cXgr=#pq0IKKn4IN0sz1XAO-"
        "+n0ssI20000$AqBE*Q>V)q?-*xdj8Tz@@lF8e(qH7f-n0-"
        "S0!DqMrZISU{=YMySnZHOr6}bVuNwBbOC+jSw|3YsFm1tx|NFBsvYo@bc9$g|uhAbjAk7JP*<A0H)Z+v"
        "U$*Hh|EG}@TbPt!MF3lZl#^xcGfVsD?Z~tkSb6eK`@33AmA0j%V$eBxDh#$=vy#`$O^;MK=|91cX&h+("
        "D1`#OC;<)s!TN;-8HRxVRUxh}EG8_Nupsu8wjFf>r0{",
    ),
    "alpha": (
        "PNG with an opacity of 128",
        "{|W=ag5p952oL~N0ZS+`-"
        "8`#@>q9P%lTc7lP*8FJkqD@BGR8PD2LcXM6e|J1073u(1OWqpi2y_a00&e&006)N5&Zwp1poj{&3gr68"
        "tp@HV~+Rz?(*3$b%#+4000",
    ),
    "animated": (
        "GIF of two frames",
        "{|W;I0a#F65(o$Y001}xODHkjJgddSRYE~QNr*s!V~k-8#2B1K-"
        "77g0<Ddjw#2C2}01F@l6+jRy02p&OHvr!z1J4X{67Oy*qPcQ>X5NumsW*ZI3aN;~DUcZ{0mM&%yTulks"
        "x|;vF{q^%CvwZ%wxTFpA?D3X5h#HE1(ambE9`wGLBL@Q4njc~Lt+dtHw#j+I18%h{3uab31s&j5yYvZA"
        "RUqHQBw*tkVztt5%lDg>_U-HY|IM`8{2c7DP}-6u=!)N_!Hojy85c8h1-iEc7H4trUnQIKmY(V14}3|-"
        "Hi2%!COLMuvSn|a)>BEfn$te48$0mMG3%)F&1^Ji#ah4%8(IZj8Q8AumD0(0R+JUfB|v~DfjhE|M>7!6"
        "7QM~pld#i=dA*A$@zxtn-HWUkzK@h3b+~W;PH+-"
        "bm60(KpGo7*Qy{ekxW^6@=>9O)f0SN&B%_VD=zf%iO7~K012;<++Xt1C#ubD)PsDc3kEZ-"
        "d+6S)6XfR+#pJWF{h7>@(|4M|>mMlVc)ohm44p0D^*Cqvm~Y%N`^V|*{CSlLM*#",
    ),
    "container": (
        "PPM, --container=1",
        "0000CN?1%F4GM<}0000KW^{RQYItlQ00000YItlQ0001IYItm8{|W;^Kye`m0s#O>0ZS+`-"
        "Hi3YcaVei^CT1$6cm&kKqLann~X6|JP0Uo6u?ld1ONjF0R#{P3;-"
        "rF5GkSZ0001sbnyQ_7XSc&gwKjX3oK67t*rg}6U8@Hp}Yh",
    ),
}


def read(name):
    """The bytes of one of the files."""
    return base64.b85decode("".join(_FILES[name][1:]))
